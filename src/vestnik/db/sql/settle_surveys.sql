-- End commands that only look at channels and that nobody will carry out any more. Anyone may run it at any time.
WITH open AS MATERIALIZED (
    SELECT k.id, k.status = 'PENDING' AS is_new, k.expires_at <= clock_timestamp() AS is_late,
           coalesce(k.claim_epoch, 0) < coalesce(l.epoch, 0) OR k.claim_epoch IS NULL AS is_unclaimed,
           k.claims >= :most_claims AS is_hopeless,
           coalesce(l.lease_until, '-infinity') <= clock_timestamp() - interval '1 minute' AS is_unserved
    FROM public.account_commands k
    LEFT JOIN public.account_leases l ON l.account_id = k.account_id
    WHERE k.account_id = :account_id AND k.kind IN ('SYNC', 'PREFLIGHT') AND k.status IN ('PENDING', 'STARTED')
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE public.account_commands k
SET status = CASE WHEN o.is_new THEN 'EXPIRED' ELSE 'FAILED' END, finished_at = clock_timestamp(),
    result = coalesce(k.result, '{}')
        || jsonb_build_object('error_code', CASE WHEN o.is_new OR o.is_unserved THEN 'NO_WORKER' ELSE 'INTERRUPTED' END)
FROM open o
WHERE k.id = o.id
  AND CASE WHEN o.is_new THEN o.is_late ELSE o.is_unclaimed AND o.is_hopeless OR o.is_unserved AND o.is_late END
