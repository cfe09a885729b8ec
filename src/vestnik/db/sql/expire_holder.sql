-- End every lease of a process that is known to be dead.
UPDATE public.account_leases SET lease_until = clock_timestamp() WHERE holder = :holder
