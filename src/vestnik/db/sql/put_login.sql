-- Write how far a login is, by the process that carries it out; no row when it is over or no longer its own.
-- A failure is audited by its code alone. A wait that Telegram asked for lasts, whatever comes after it.
WITH lease AS MATERIALIZED (
    SELECT l.account_id FROM public.account_leases l
    WHERE l.account_id = :account_id AND l.epoch = :epoch AND l.lease_until > clock_timestamp()
    FOR SHARE
), moved AS (
    UPDATE public.account_logins g
    SET step = :step, attempts = :attempts, hint = :hint, code_kind = :code_kind, code_length = :code_length,
        next_kind = :next_kind, resend_at = clock_timestamp() + CAST(:resend_after AS interval),
        qr_ciphertext = :qr_ciphertext, qr_expires_at = clock_timestamp() + CAST(:qr_lasts AS interval),
        error_code = :error_code, error_message = :error_message, error_field = :error_field,
        retry_at = coalesce(clock_timestamp() + CAST(:retry_after AS interval),
                            CASE WHEN g.retry_at > clock_timestamp() THEN g.retry_at END),
        expires_at = coalesce(clock_timestamp() + CAST(:input_within AS interval), g.expires_at),
        finished_at = CASE WHEN :is_final THEN clock_timestamp() END
    FROM lease
    WHERE g.account_id = lease.account_id AND g.login_id = :login_id AND g.epoch = :epoch AND g.finished_at IS NULL
    RETURNING g.account_id, g.method, g.step, g.error_code
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', 'account.login_failed', 'account', account_id,
           jsonb_build_object('method', method, 'error', error_code)
    FROM moved WHERE step = 'FAILED'
)
SELECT account_id FROM moved
