-- Stop an account whose session turned out to be another user's, and forget that session: it is of no use here, and
-- may be added to another account then. One that was replaced meanwhile, and an account that a person stopped, stay
-- as they are.
WITH lease AS MATERIALIZED (
    SELECT l.account_id FROM public.account_leases l
    WHERE l.account_id = :account_id AND l.epoch = :epoch
    FOR SHARE
), refused AS (
    UPDATE public.accounts a
    SET state = 'NEEDS_LOGIN', state_reason = :reason, session_ciphertext = NULL, session_digest = NULL,
        session_version = a.session_version + 1, updated_at = clock_timestamp()
    FROM lease
    WHERE a.id = lease.account_id AND a.state = 'ACTIVE' AND a.session_version = :session_version
    RETURNING a.id, a.state, a.state_reason
)
INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
SELECT 'SYSTEM', 'engine', 'account.session_refused', 'account', id,
       jsonb_build_object('state', state, 'reason', state_reason)
FROM refused
