-- Channels whose Telegram address this account does not have although something is to be posted there: by commands,
-- which come first because somebody waits for them, or by queued jobs of running campaigns.
WITH wanted AS (
    SELECT k.channel_id, true AS by_command, false AS by_campaign
    FROM public.account_commands k
    WHERE k.account_id = :account_id AND k.status IN ('PENDING', 'STARTED') AND k.channel_id IS NOT NULL
    UNION ALL
    SELECT j.channel_id, false, true
    FROM public.campaigns c
    JOIN public.jobs j ON j.campaign_id = c.id AND j.status = 'QUEUED'
    WHERE c.account_id = :account_id AND c.status = 'RUNNING'
)
SELECT ch.id AS channel_id, ch.username, ch.tg_id, bool_or(w.by_campaign) AS is_of_campaign
FROM wanted w
JOIN public.channels ch ON ch.id = w.channel_id AND ch.is_active
LEFT JOIN public.channel_peers p ON p.account_id = :account_id AND p.channel_id = ch.id
WHERE coalesce(p.is_active, true) AND p.access_hash IS NULL
GROUP BY ch.id
ORDER BY bool_or(w.by_command) DESC, ch.id
