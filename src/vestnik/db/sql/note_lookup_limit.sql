-- Say how many names the process that speaks for the account now looks up in a day, for those who show it.
INSERT INTO public.account_lookups AS b (account_id, day, used, daily_limit)
SELECT account_id, (clock_timestamp() AT TIME ZONE 'UTC')::date, 0, :daily_limit
FROM public.account_leases
WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
ON CONFLICT (account_id) DO UPDATE
SET daily_limit = excluded.daily_limit
WHERE b.daily_limit <> excluded.daily_limit
