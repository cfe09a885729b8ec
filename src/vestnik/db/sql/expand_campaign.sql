-- Turn the next part of a batch into jobs, in the batch's order.
-- The caller holds the campaign's row lock. random_id is a hash of campaign and channel, so the same pair gets
-- the same one again even from a restored backup. Channels already known to refuse this account are left out.
WITH audience AS MATERIALIZED (
    SELECT bc.channel_id, bc.position,
           ch.is_active AND ch.deleted_at IS NULL AND coalesce(p.is_active, true) AS is_sendable
    FROM public.batch_channels bc
    JOIN public.channels ch ON ch.id = bc.channel_id
    LEFT JOIN public.channel_peers p ON p.account_id = :account_id AND p.channel_id = bc.channel_id
    WHERE bc.batch_id = :batch_id AND bc.position > :after
    ORDER BY bc.position
    LIMIT :chunk
), inserted AS (
    INSERT INTO public.jobs (campaign_id, channel_id, account_id, random_id)
    SELECT :campaign_id, channel_id, :account_id,
           ('x' || left(md5(CAST(:campaign_id AS uuid) || '/' || channel_id), 16))::bit(64)::bigint
    FROM audience
    WHERE is_sendable
    ORDER BY position
    ON CONFLICT (campaign_id, channel_id) DO NOTHING
    RETURNING 1
), added AS (
    SELECT count(*)::int AS n FROM inserted
), counted AS (
    INSERT INTO public.campaign_progress AS p (campaign_id, total, queued, version)
    SELECT :campaign_id, n, n, 1 FROM added
    ON CONFLICT (campaign_id) DO UPDATE
    SET total = p.total + excluded.total, queued = p.queued + excluded.queued, version = p.version + 1,
        updated_at = clock_timestamp()
    RETURNING p.total
)
SELECT counted.total, count(audience.position)::int AS seen, max(audience.position) AS position
FROM counted LEFT JOIN audience ON true
GROUP BY counted.total
