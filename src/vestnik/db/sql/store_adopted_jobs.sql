-- The messages that are taken over, campaign by campaign in their old order. random_id is the same hash as an expansion's.
INSERT INTO public.jobs
    (campaign_id, channel_id, account_id, status, attempts, maybe_sent, random_id, message_ids, error_code,
     error_message, started_at, sent_at, failed_at, legacy_id)
SELECT n.campaign_id, n.channel_id, c.account_id, n.status, n.attempts, n.maybe_sent,
       ('x' || left(md5(n.campaign_id || '/' || n.channel_id), 16))::bit(64)::bigint, n.message_ids, n.error_code,
       n.error_message, n.started_at, n.sent_at, n.failed_at, n.legacy_id
FROM new_jobs n
JOIN public.campaigns c ON c.id = n.campaign_id
WHERE n.reason IS NULL
ORDER BY n.campaign_at, n.campaign_id, n.place
