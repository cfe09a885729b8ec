-- Take up the open login of an account and what was typed for it since the last look, under the lease.
-- What was typed is wiped by this very statement; its text is in the answer and nowhere else any more. One row for
-- each command, one without a command when there is none, and no row once the login is over or is another one.
WITH lease AS MATERIALIZED (
    SELECT l.account_id FROM public.account_leases l
    WHERE l.account_id = :account_id AND l.epoch = :epoch AND l.lease_until > clock_timestamp()
    FOR SHARE
), login AS MATERIALIZED (
    SELECT g.account_id, g.login_id, g.method, g.step, g.expires_at <= clock_timestamp() AS is_late
    FROM lease JOIN public.account_logins g ON g.account_id = lease.account_id
    WHERE g.finished_at IS NULL AND coalesce(g.epoch, :epoch) = :epoch
      AND g.login_id = coalesce(CAST(:login_id AS uuid), g.login_id)
    FOR NO KEY UPDATE OF g
), due AS MATERIALIZED (
    SELECT k.id, k.kind, k.payload_ciphertext, k.created_at
    FROM login JOIN public.account_commands k ON k.account_id = login.account_id
    WHERE k.kind IN ('LOGIN', 'CODE', 'PASSWORD', 'RESEND', 'LOG_OUT') AND k.status = 'PENDING' AND k.expires_at > clock_timestamp()
    FOR NO KEY UPDATE OF k
), wiped AS (
    UPDATE public.account_commands k
    SET status = 'DONE', payload_ciphertext = NULL, claim_epoch = :epoch, finished_at = clock_timestamp()
    FROM due WHERE k.id = due.id
), taken AS (
    UPDATE public.account_logins g SET epoch = :epoch
    FROM login WHERE g.account_id = login.account_id AND g.epoch IS NULL
)
SELECT login.login_id, login.method, login.step, login.is_late, due.id, due.kind, due.payload_ciphertext
FROM login LEFT JOIN due ON true
ORDER BY due.created_at, due.id
