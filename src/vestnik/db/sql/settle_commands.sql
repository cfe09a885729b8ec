-- End the commands of an account that will not be carried out any more, and wipe their payloads.
-- Anyone may run it at any time: those who wait for an answer do when no worker is left to. Never started ones end
-- EXPIRED, with what stood in their way, or FAILED where their channel was deactivated; those that may have been
-- posted end as UNKNOWN_OUTCOME once nobody asks about them any more. What is under way is left alone, and rows
-- that a claim has locked are passed over.
WITH account AS MATERIALIZED (
    SELECT a.state, coalesce(l.epoch, 0) AS epoch, coalesce(l.lease_until > clock_timestamp(), false) AS is_served,
           EXISTS (SELECT 1 FROM public.account_holds h
                   WHERE h.account_id = a.id AND h.scope = 'SEND' AND h.until > clock_timestamp()) AS is_held
    FROM public.accounts a
    LEFT JOIN public.account_leases l ON l.account_id = a.id
    WHERE a.id = :account_id
), open AS MATERIALIZED (
    SELECT k.id, k.status = 'PENDING' AS is_new, k.expires_at <= clock_timestamp() AS is_late,
           k.expires_at <= clock_timestamp() - CAST(:settle_for AS interval) AS is_stale,
           coalesce(k.claim_epoch, 0) < a.epoch AS is_unclaimed, k.claims >= :most_claims AS is_hopeless,
           NOT a.is_served AS is_unserved,
           k.channel_id IS NOT NULL AND p.access_hash IS NULL AS is_unresolved,
           CASE WHEN NOT ch.is_active THEN coalesce(ch.inactive_reason, 'CHANNEL_INACTIVE')
                WHEN NOT p.is_active THEN coalesce(p.inactive_reason, 'CHANNEL_INACTIVE') END AS refusal,
           CASE WHEN a.state <> 'ACTIVE' THEN 'ACCOUNT_BLOCKED'
                WHEN a.is_held THEN 'ACCOUNT_HELD'
                WHEN NOT a.is_served THEN 'NO_WORKER'
                WHEN k.channel_id IS NOT NULL AND p.access_hash IS NULL THEN 'CHANNEL_UNRESOLVED'
                WHEN p.hold_until > clock_timestamp() THEN 'CHANNEL_HELD'
                ELSE coalesce(k.result ->> 'error_code', 'EXPIRED') END AS obstacle
    FROM account a, public.account_commands k
    LEFT JOIN public.channels ch ON ch.id = k.channel_id
    LEFT JOIN public.channel_peers p ON p.account_id = k.account_id AND p.channel_id = k.channel_id
    WHERE k.account_id = :account_id AND k.status IN ('PENDING', 'STARTED')
      AND k.kind NOT IN ('SYNC', 'PREFLIGHT')  -- those have a life of their own: settle_surveys
    FOR NO KEY UPDATE OF k SKIP LOCKED
), ending AS (
    SELECT id, 'FAILED' AS status, refusal AS error_code FROM open
    WHERE is_new AND refusal IS NOT NULL
    UNION ALL
    SELECT id, 'EXPIRED', obstacle FROM open
    WHERE is_new AND refusal IS NULL AND is_late
    UNION ALL
    SELECT id, 'FAILED', 'UNKNOWN_OUTCOME' FROM open
    WHERE NOT is_new
      AND (is_stale AND (is_unclaimed OR is_unserved) OR is_unclaimed AND (is_hopeless OR refusal IS NOT NULL))
), ended AS (
    UPDATE public.account_commands k
    SET status = e.status, payload_ciphertext = NULL, finished_at = clock_timestamp(),
        result = coalesce(k.result, '{}') || jsonb_build_object('error_code', e.error_code)
            || CASE WHEN e.error_code = k.result ->> 'error_code' THEN '{}'
                    ELSE jsonb_build_object('error_message', NULL) END
    FROM ending e
    WHERE k.id = e.id
)
SELECT EXISTS (
    SELECT 1 FROM open WHERE is_unresolved AND id NOT IN (SELECT id FROM ending)
) AS is_unresolved
