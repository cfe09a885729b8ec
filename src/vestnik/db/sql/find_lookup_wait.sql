-- What keeps a running campaign's look-ups of names waiting: a hold of Telegram, or the budget of the day. No row when
-- nothing does. Channels are counted only then, and no further than anybody wants to know.
WITH obstacle AS MATERIALIZED (
    SELECT c.id AS campaign_id, c.account_id, h.until AS held_until, b.daily_limit,
           CASE WHEN b.used >= b.daily_limit AND b.day >= now.utc::date
                THEN (date_trunc('day', now.utc) + interval '1 day') AT TIME ZONE 'UTC' END AS used_up_until
    FROM public.campaigns c
    CROSS JOIN (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) now
    LEFT JOIN public.account_lookups b ON b.account_id = c.account_id
    LEFT JOIN public.account_holds h
        ON h.account_id = c.account_id AND h.scope = 'RESOLVE' AND h.until > clock_timestamp()
    WHERE c.id = :campaign_id AND c.status = 'RUNNING'
), counted AS (
    SELECT count(*)::int AS channels FROM (
        SELECT FROM obstacle o
        JOIN public.jobs j ON j.campaign_id = o.campaign_id AND j.status = 'QUEUED'
        JOIN public.channels ch ON ch.id = j.channel_id AND ch.is_active AND ch.username IS NOT NULL
        LEFT JOIN public.channel_peers p ON p.account_id = o.account_id AND p.channel_id = j.channel_id
        WHERE (o.held_until IS NOT NULL OR o.used_up_until IS NOT NULL)
          AND p.access_hash IS NULL AND coalesce(p.is_active, true)
        LIMIT :most
    ) w
)
SELECT o.held_until, o.used_up_until, o.daily_limit, n.channels
FROM obstacle o CROSS JOIN counted n
WHERE n.channels > 0
