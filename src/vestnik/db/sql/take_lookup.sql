-- Count one look-up of a name against the account's budget of the day, before it is asked, as long as the lease lasts.
-- Days are those of UTC, by the database's clock. Nothing is counted once the budget is used up.
WITH lease AS MATERIALIZED (
    SELECT account_id FROM public.account_leases
    WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
    FOR SHARE
), taken AS (
    INSERT INTO public.account_lookups AS b (account_id, day, used, daily_limit)
    SELECT account_id, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1, :daily_limit
    FROM lease WHERE CAST(:daily_limit AS int) > 0
    ON CONFLICT (account_id) DO UPDATE
    SET used = CASE WHEN b.day < excluded.day THEN 1 ELSE b.used + 1 END, day = greatest(b.day, excluded.day),
        daily_limit = excluded.daily_limit
    WHERE b.day < excluded.day OR b.used < excluded.daily_limit
    RETURNING used
)
SELECT EXISTS (SELECT FROM taken) AS is_taken,
       extract(epoch FROM date_trunc('day', now.utc) + interval '1 day' - now.utc)::float8 AS next_day_in
FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) now
