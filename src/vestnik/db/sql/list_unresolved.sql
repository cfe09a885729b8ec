-- Channels with queued jobs in running campaigns of this account whose Telegram address the account does not have.
SELECT DISTINCT ON (ch.id) ch.id AS channel_id, ch.username, ch.tg_id
FROM public.campaigns c
JOIN public.jobs j ON j.campaign_id = c.id AND j.status = 'QUEUED'
JOIN public.channels ch ON ch.id = j.channel_id AND ch.is_active
LEFT JOIN public.channel_peers p ON p.account_id = c.account_id AND p.channel_id = ch.id
WHERE c.account_id = :account_id AND c.status = 'RUNNING'
  AND coalesce(p.is_active, true) AND p.access_hash IS NULL
ORDER BY ch.id
