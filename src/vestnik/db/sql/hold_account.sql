-- Hold an account until Telegram's time is over; a hold is never shortened by a later, shorter one.
INSERT INTO public.account_holds AS h (account_id, scope, until, reason)
VALUES (:account_id, :scope, clock_timestamp() + :duration, :reason)
ON CONFLICT (account_id, scope) DO UPDATE
SET reason = CASE WHEN excluded.until > h.until THEN excluded.reason ELSE h.reason END,
    created_at = CASE WHEN h.until < clock_timestamp() THEN clock_timestamp() ELSE h.created_at END,
    until = greatest(h.until, excluded.until)
