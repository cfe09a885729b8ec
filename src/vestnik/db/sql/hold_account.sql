-- Hold an account until Telegram's time is over; a hold is never shortened by a later, shorter one.
-- The last :kept waits of each account stay on record.
WITH held AS (
    INSERT INTO public.account_holds AS h (account_id, scope, until, reason)
    VALUES (:account_id, :scope, clock_timestamp() + :duration, :reason)
    ON CONFLICT (account_id, scope) DO UPDATE
    SET reason = excluded.reason, until = excluded.until,
        created_at = CASE WHEN h.until < clock_timestamp() THEN clock_timestamp() ELSE h.created_at END
    WHERE excluded.until > h.until
    RETURNING h.account_id, h.scope, h.until, h.reason
), noted AS (
    INSERT INTO public.account_waits (account_id, scope, reason, until)
    SELECT account_id, scope, reason, until FROM held
), forgotten AS (
    DELETE FROM public.account_waits w
    USING held
    WHERE w.account_id = held.account_id AND w.id <= (
        SELECT o.id FROM public.account_waits o
        WHERE o.account_id = :account_id
        ORDER BY o.id DESC
        OFFSET CAST(:kept AS int) - 1 LIMIT 1)
)
INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
SELECT 'SYSTEM', 'engine', 'account.held', 'account', account_id,
       jsonb_build_object('scope', scope, 'until', until, 'reason', reason)
FROM held
