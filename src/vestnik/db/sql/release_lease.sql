-- Give a lease back, so that the next holder need not wait for its end.
UPDATE public.account_leases SET lease_until = clock_timestamp()
WHERE account_id = :account_id AND holder = :holder AND epoch = :epoch
