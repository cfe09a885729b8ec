-- Prolong a lease that is still ours; no row means that it is lost and nothing more may be sent.
UPDATE public.account_leases
SET lease_until = clock_timestamp() + :duration
WHERE account_id = :account_id AND holder = :holder AND epoch = :epoch AND lease_until > clock_timestamp()
RETURNING epoch
