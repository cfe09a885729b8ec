-- Running campaigns that could post and for a while have not: their account is active, not held, spoken for by a
-- worker, and something is due. Waits that are meant are no standstill: an account's or campaign's own slow pace,
-- a channel's slow mode, look-ups of names that Telegram or the budget of the day puts off. Jobs are looked at only
-- for campaigns that have posted nothing for so long, and no further than a few hundred. Counters move as well when
-- jobs are taken and come back, again and again if Telegram does not answer: only results are signs of life.
WITH quiet AS MATERIALIZED (
    SELECT c.id, c.name, c.account_id, p.sending, now.at - CAST(:after AS interval) AS before,
           life.last_at AS since
    FROM public.campaigns c
    CROSS JOIN (SELECT clock_timestamp() AS at) now
    JOIN public.campaign_progress p ON p.campaign_id = c.id
    JOIN public.accounts a ON a.id = c.account_id AND a.state = 'ACTIVE'
    JOIN public.account_leases l ON l.account_id = c.account_id AND l.lease_until > now.at
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM public.campaigns o WHERE o.account_id = c.account_id AND o.status = 'RUNNING'
    ) running
    CROSS JOIN LATERAL (
        -- Of the last post the minute is known, and when the counters moved for the last time.
        SELECT CASE
            WHEN p.minute_sent > 0 THEN p.minute_started_at
            WHEN p.previous_minute_sent > 0 THEN p.minute_started_at - interval '1 minute'
            ELSE (SELECT max(m.minute) FROM public.campaign_minutes m WHERE m.campaign_id = c.id)
        END AS minute
    ) posted
    CROSS JOIN LATERAL (
        SELECT greatest(c.updated_at, CASE
            WHEN c.expanded_at IS NULL THEN p.updated_at
            ELSE least(p.updated_at, coalesce(posted.minute + interval '1 minute', '-infinity')) END) AS last_at
    ) life
    WHERE c.status = 'RUNNING' AND c.deleted_at IS NULL AND p.queued + p.sending > 0
      AND life.last_at < now.at - CAST(:after AS interval)
          - 2 * make_interval(secs => CAST(greatest(1 / c.delivery_rate, running.n / a.rate) AS float8))
      AND NOT EXISTS (
          SELECT FROM public.account_holds h
          WHERE h.account_id = c.account_id AND h.scope = 'SEND'
            AND h.until > now.at - CAST(:after AS interval))
), able AS MATERIALIZED (
    -- Whether the account could look up names all this time.
    SELECT q.*, NOT EXISTS (
               SELECT FROM public.account_holds h
               WHERE h.account_id = q.account_id AND h.scope = 'RESOLVE' AND h.until > q.before)
           AND NOT EXISTS (
               SELECT FROM public.account_lookups b
               WHERE b.account_id = q.account_id AND b.used >= b.daily_limit
                 AND b.day >= (q.before AT TIME ZONE 'UTC')::date) AS resolves
    FROM quiet q
)
SELECT q.id, q.name, q.since FROM able q
WHERE NOT EXISTS (
       -- Those that failed lately have high numbers, as a rule.
       SELECT FROM (SELECT j.failed_at FROM public.jobs j
                    WHERE j.campaign_id = q.id AND j.queue_part = 'FAILED' ORDER BY j.id DESC LIMIT :most) f
       WHERE f.failed_at >= q.before)
  AND (EXISTS (
       -- The search among what is open ends with as many as are counted; CASE as in claim_jobs.
       SELECT FROM (SELECT j.started_at FROM public.jobs j
                    WHERE j.campaign_id = q.id AND j.queue_part = 'OPEN'
                      AND CASE j.status WHEN 'SENDING' THEN true ELSE false END
                    ORDER BY (j.id + 0) LIMIT q.sending) s
       WHERE s.started_at < q.before)
   OR EXISTS (
       SELECT FROM (
           (SELECT j.account_id, j.channel_id FROM public.jobs j
            WHERE j.campaign_id = q.id AND j.queue_part = 'OPEN'
              AND CASE j.status WHEN 'QUEUED' THEN true ELSE false END -- as in claim_jobs
            ORDER BY (j.id + 0) LIMIT :most)
           UNION ALL
           (SELECT j.account_id, j.channel_id FROM public.jobs j
            WHERE j.campaign_id = q.id AND j.queue_part = 'RETURNED' AND j.not_before < q.before
            ORDER BY j.not_before LIMIT :most)
       ) j
       JOIN public.channels ch ON ch.id = j.channel_id
       LEFT JOIN public.channel_peers p ON p.account_id = j.account_id AND p.channel_id = j.channel_id
       WHERE (p.hold_until IS NULL OR p.hold_until < q.before)
         AND (p.access_hash IS NOT NULL OR q.resolves AND ch.username IS NOT NULL)))
ORDER BY q.since, q.id
LIMIT :limit
