-- End logins whose process died, and those that none took up; wipe what was typed for them, and whatever was typed for
-- any login and not taken up in time. Anyone may run it at any time, for one account or for all; rows that somebody
-- else has locked are passed over.
WITH stale AS MATERIALIZED (
    SELECT g.account_id, g.epoch IS NULL AS is_untaken
    FROM public.account_logins g
    LEFT JOIN public.account_leases l ON l.account_id = g.account_id
    WHERE g.finished_at IS NULL AND g.account_id = coalesce(CAST(:account_id AS uuid), g.account_id)
      AND CASE WHEN g.epoch IS NULL THEN g.started_at <= clock_timestamp() - CAST(:taken_within AS interval)
               ELSE l.epoch IS DISTINCT FROM g.epoch OR l.lease_until <= clock_timestamp() END
    FOR NO KEY UPDATE OF g SKIP LOCKED
), ended AS (
    UPDATE public.account_logins g
    SET step = 'FAILED', error_code = CASE WHEN s.is_untaken THEN :not_taken_up ELSE :broken_off END,
        error_message = NULL, error_field = NULL, hint = NULL, qr_ciphertext = NULL, qr_expires_at = NULL,
        finished_at = clock_timestamp()
    FROM stale s
    WHERE g.account_id = s.account_id
    RETURNING g.account_id, g.method, g.error_code
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', 'account.login_failed', 'account', account_id,
           jsonb_build_object('method', method, 'error', error_code)
    FROM ended
), forgotten AS MATERIALIZED (
    SELECT k.id FROM public.account_commands k
    WHERE k.status = 'PENDING' AND k.kind IN ('LOGIN', 'CODE', 'PASSWORD', 'RESEND', 'LOG_OUT')
      AND k.account_id = coalesce(CAST(:account_id AS uuid), k.account_id)
      AND (k.expires_at <= clock_timestamp() OR k.account_id IN (SELECT account_id FROM stale))
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE public.account_commands k
SET status = 'EXPIRED', payload_ciphertext = NULL, finished_at = clock_timestamp()
FROM forgotten f
WHERE k.id = f.id
