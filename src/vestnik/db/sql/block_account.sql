-- Stop an account in one row: its campaigns stay RUNNING and are shown as blocked.
WITH blocked AS (
    UPDATE public.accounts SET state = :state, state_reason = :reason, updated_at = clock_timestamp()
    WHERE id = :account_id AND state = 'ACTIVE'
    RETURNING id, state, state_reason
)
INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
SELECT 'SYSTEM', 'engine', 'account.blocked', 'account', id,
       jsonb_build_object('state', state, 'reason', state_reason)
FROM blocked
