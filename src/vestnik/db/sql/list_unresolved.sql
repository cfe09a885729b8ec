-- Channels whose Telegram address this account does not have although something is to be posted there: by commands,
-- which come first because somebody waits for them, by queued jobs of running campaigns, or because a preflight asks
-- what would become of a campaign there. One page of them, those
-- that were made or asked for after the account's dialogs were last read before the others, and those that no look-up
-- can find before those that wait for one.
-- What is missing is materialized before the channels are joined: from the channels' side the planner takes those
-- without an address for one row, while the channels of other accounts are thousands, and read the jobs for each
-- of them (a minute for 10,000 channels of four accounts; 10 ms so).
WITH wanted AS (
    SELECT k.channel_id, true AS by_command, k.created_at AS wanted_at
    FROM public.account_commands k
    WHERE k.account_id = :account_id AND k.status IN ('PENDING', 'STARTED') AND k.channel_id IS NOT NULL
    UNION ALL
    SELECT j.channel_id, false, NULL
    FROM public.campaigns c
    JOIN public.jobs j ON j.campaign_id = c.id AND j.status = 'QUEUED'
    WHERE c.account_id = :account_id AND c.status = 'RUNNING'
    UNION ALL
    SELECT bc.channel_id, false, k.created_at
    FROM public.account_commands k
    JOIN public.preflights f ON f.id = k.id
    JOIN public.campaigns c ON c.id = f.campaign_id
    JOIN public.batch_channels bc ON bc.batch_id = c.batch_id
    WHERE k.account_id = :account_id AND k.kind = 'PREFLIGHT' AND k.status = 'STARTED'
), missing AS MATERIALIZED (
    SELECT w.channel_id, bool_or(w.by_command) AS by_command, max(w.wanted_at) AS wanted_at
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT FROM public.channel_peers p
        WHERE p.account_id = :account_id AND p.channel_id = w.channel_id
          AND (NOT p.is_active OR p.access_hash IS NOT NULL))
    GROUP BY w.channel_id
)
SELECT ch.id AS channel_id, ch.username, ch.tg_id,
       coalesce(greatest(ch.created_at, m.wanted_at) < CAST(:listed_at AS timestamptz), false) AS is_listed,
       clock_timestamp() AS read_at
FROM missing m
JOIN public.channels ch ON ch.id = m.channel_id AND ch.is_active
ORDER BY m.by_command DESC, is_listed, (ch.username IS NOT NULL), ch.id
LIMIT :page
