-- Take an account's lease if nobody else holds it; every acquisition raises the epoch, which fences older holders.
-- A process that lost track of its own claims (an answer of the database got lost) takes its lease anew this way.
-- The next slot is negative when it has passed, by a day when there never was one.
INSERT INTO public.account_leases AS l (account_id, holder, epoch, lease_until)
VALUES (:account_id, :holder, 1, clock_timestamp() + :duration)
ON CONFLICT (account_id) DO UPDATE
SET holder = excluded.holder, epoch = l.epoch + 1, lease_until = clock_timestamp() + :duration, connected_at = NULL
WHERE l.lease_until < clock_timestamp() OR l.holder = :holder
RETURNING l.epoch, coalesce(extract(epoch FROM l.next_slot_at - clock_timestamp()), -86400)::float8 AS next_slot_in
