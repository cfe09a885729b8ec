-- What keeps a running campaign's look-ups of names waiting: a hold of Telegram, or the budget of the day. No row when
-- nothing does. Channels are counted only then, among the posts whose turn comes next, and no further than anybody wants
-- to know: open pages ask for it every few seconds.
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
      AND (h.until IS NOT NULL OR b.used >= b.daily_limit AND b.day >= now.utc::date)
), upcoming AS MATERIALIZED (
    SELECT o.account_id, q.channel_id FROM obstacle o CROSS JOIN LATERAL (
        (SELECT j.channel_id FROM public.jobs j
         WHERE j.campaign_id = o.campaign_id AND j.queue_part = 'RETURNED'
         ORDER BY j.not_before LIMIT :looked_at)
        UNION ALL
        (SELECT j.channel_id FROM public.jobs j
         WHERE j.campaign_id = o.campaign_id AND j.queue_part = 'OPEN'
           AND CASE j.status WHEN 'QUEUED' THEN true ELSE false END -- as in claim_jobs
         ORDER BY (j.id + 0) LIMIT :looked_at)
    ) q
), counted AS (
    SELECT count(*)::int AS channels FROM (
        SELECT FROM upcoming n
        JOIN public.channels ch ON ch.id = n.channel_id AND ch.is_active AND ch.username IS NOT NULL
        LEFT JOIN public.channel_peers p ON p.account_id = n.account_id AND p.channel_id = n.channel_id
        WHERE p.access_hash IS NULL AND coalesce(p.is_active, true)
        LIMIT :most
    ) w
)
SELECT o.held_until, o.used_up_until, o.daily_limit, n.channels,
       (SELECT count(*) FROM upcoming) >= :looked_at AS is_cut
FROM obstacle o CROSS JOIN counted n
WHERE n.channels > 0
