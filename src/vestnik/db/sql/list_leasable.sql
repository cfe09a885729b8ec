-- Accounts that are to be spoken for, on which only :holder has a lease, or nobody; and those whose lease another
-- process has left for less than :within, with the time until then. A living holder renews long before, so these are
-- the dead one's. An account is spoken for when it is active, or when a login of it waits to be carried out.
SELECT a.id, a.kind, g.account_id IS NOT NULL AS has_login,
       CASE WHEN l.holder <> :holder AND l.lease_until >= clock_timestamp()
            THEN greatest(extract(epoch FROM l.lease_until - clock_timestamp()), 0)
            ELSE 0 END::float8 AS free_in
FROM public.accounts a
LEFT JOIN public.account_leases l ON l.account_id = a.id
LEFT JOIN public.account_logins g ON g.account_id = a.id AND g.finished_at IS NULL AND g.epoch IS NULL
WHERE (a.state = 'ACTIVE' OR g.account_id IS NOT NULL)
  AND (l.lease_until IS NULL OR l.holder = :holder OR l.lease_until < clock_timestamp() + CAST(:within AS interval))
ORDER BY a.id
