-- Of the entries of a campaign that lead to one Telegram channel let one stand: what is out or may be, else what can
-- be sent, else the first. The other queued ones end here, before their addresses are stored.
-- The caller holds the row locks of the campaigns, so nothing of them is claimed or recorded meanwhile.
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:peers AS jsonb)) AS r (channel_id uuid, tg_id bigint)
), entry AS MATERIALIZED (
    SELECT channel_id, tg_id FROM given
    UNION ALL
    SELECT p.channel_id, p.tg_id FROM public.channel_peers p
    WHERE p.account_id = :account_id AND p.tg_id IN (SELECT tg_id FROM given)
      AND p.channel_id NOT IN (SELECT channel_id FROM given)
), rival AS MATERIALIZED (
    SELECT j.id,
           row_number() OVER (
               PARTITION BY j.campaign_id, e.tg_id
               ORDER BY (j.status IN ('SENDING', 'SENT') OR j.maybe_sent) DESC,
                        (ch.is_active AND coalesce(p.is_active, true)) DESC, j.id) AS place
    FROM unnest(CAST(:campaign_ids AS uuid[])) AS c (id)
    CROSS JOIN entry e
    JOIN public.jobs j ON j.campaign_id = c.id AND j.channel_id = e.channel_id
    JOIN public.channels ch ON ch.id = j.channel_id
    LEFT JOIN public.channel_peers p ON p.account_id = j.account_id AND p.channel_id = j.channel_id
    WHERE j.status IN ('QUEUED', 'SENDING', 'SENT') OR j.maybe_sent
), locked AS MATERIALIZED (
    SELECT j.id, j.maybe_sent FROM public.jobs j
    JOIN rival r ON r.id = j.id
    WHERE r.place > 1 AND j.status = 'QUEUED'
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), moved AS (
    UPDATE public.jobs j
    SET status = 'FAILED', failed_at = clock_timestamp(),
        error_code = CASE WHEN l.maybe_sent THEN 'UNKNOWN_OUTCOME' ELSE 'DUPLICATE_CHANNEL' END,
        error_message = CASE
            WHEN l.maybe_sent THEN 'Telegram never confirmed whether this post went out; it may be in the channel.'
            ELSE 'Another entry of this campaign is the same Telegram channel.' END
    FROM locked l
    WHERE j.id = l.id
    RETURNING j.campaign_id
), delta AS (
    SELECT campaign_id, count(*)::int AS n FROM moved GROUP BY campaign_id
), counter AS MATERIALIZED (
    SELECT p.* FROM public.campaign_progress p
    WHERE p.campaign_id IN (SELECT campaign_id FROM delta)
    ORDER BY p.campaign_id
    FOR NO KEY UPDATE
)
UPDATE public.campaign_progress p
-- Nothing was sent, so the error-rate brake does not count these.
SET total = x.total, queued = x.queued - d.n, sending = x.sending, sent = x.sent, failed = x.failed + d.n,
    cancelled = x.cancelled, brake_failed = x.brake_failed + d.n,
    version = x.version + 1, updated_at = clock_timestamp()
FROM delta d JOIN counter x ON x.campaign_id = d.campaign_id
WHERE p.campaign_id = d.campaign_id
RETURNING p.campaign_id, d.n
