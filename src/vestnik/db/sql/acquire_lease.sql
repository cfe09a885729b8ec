-- Take an account's lease if nobody holds it; every acquisition raises the epoch, which fences older holders.
INSERT INTO public.account_leases AS l (account_id, holder, epoch, lease_until)
VALUES (:account_id, :holder, 1, clock_timestamp() + :duration)
ON CONFLICT (account_id) DO UPDATE
SET holder = excluded.holder, epoch = l.epoch + 1, lease_until = clock_timestamp() + :duration
WHERE l.lease_until < clock_timestamp()
RETURNING l.epoch, greatest(extract(epoch FROM l.next_slot_at - clock_timestamp()), 0)::float8 AS next_slot_in
