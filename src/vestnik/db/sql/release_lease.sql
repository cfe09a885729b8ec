-- Give a lease back, and wake the other workers, so that the next holder need not wait for its end or for a poll.
UPDATE public.account_leases SET lease_until = '-infinity'
WHERE account_id = :account_id AND holder = :holder AND epoch = :epoch
RETURNING pg_notify('vestnik_wake', account_id::text)
