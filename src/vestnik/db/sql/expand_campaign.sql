-- Turn the next part of a batch into jobs, in the batch's order.
-- The caller holds the campaign's row lock. random_id is a hash of campaign and channel, so the same pair gets
-- the same one again even from a restored backup. Channels already known to refuse this account are left out. An
-- entry that leads to the same Telegram channel as one before it ends at once, so that two posts cannot reach it. Those
-- that somebody chose to leave out, because a preflight said that they would fail, are there as cancelled: so they are
-- seen and counted, retried by nobody and no failures. OFFSET 0 and LIMIT have the planner look things up channel by channel,
-- as in claim_jobs: for 10,000 of a million channels it read all of them, twice.
WITH audience AS MATERIALIZED (
    SELECT bc.channel_id, bc.position, p.tg_id,
           ch.is_active AND ch.deleted_at IS NULL AND coalesce(p.is_active, true) AS is_sendable
    FROM (SELECT channel_id, position FROM public.batch_channels
          WHERE batch_id = :batch_id AND position > :after ORDER BY position LIMIT :chunk) bc
    CROSS JOIN LATERAL (
        SELECT c.is_active, c.deleted_at FROM public.channels c WHERE c.id = bc.channel_id OFFSET 0
    ) ch
    LEFT JOIN LATERAL (
        SELECT x.tg_id, x.is_active FROM public.channel_peers x
        WHERE x.account_id = :account_id AND x.channel_id = bc.channel_id OFFSET 0
    ) p ON true
), shared AS MATERIALIZED (
    -- the few Telegram channels that more than one of our channels leads to
    SELECT DISTINCT a.tg_id FROM audience a
    CROSS JOIN LATERAL (
        SELECT FROM public.channel_peers p
        WHERE p.account_id = :account_id AND p.tg_id = a.tg_id AND p.channel_id <> a.channel_id
        LIMIT 1
    ) other
), twin AS MATERIALIZED (
    -- of those the entries that do not stand: the Telegram channel has a job already, or an earlier entry gets one
    SELECT r.channel_id FROM (
        SELECT a.channel_id, a.tg_id, row_number() OVER (PARTITION BY a.tg_id ORDER BY a.position) AS place
        FROM audience a JOIN shared s ON s.tg_id = a.tg_id
        WHERE a.is_sendable
    ) r
    WHERE r.place > 1 OR EXISTS (
        SELECT FROM public.channel_peers p
        JOIN public.jobs j ON j.campaign_id = :campaign_id AND j.channel_id = p.channel_id
        WHERE p.account_id = :account_id AND p.tg_id = r.tg_id
          AND (j.status IN ('QUEUED', 'SENDING', 'SENT') OR j.maybe_sent))
), entry AS (
    SELECT a.channel_id, a.position, t.channel_id IS NOT NULL AS is_twin, x.code AS failing
    FROM audience a
    LEFT JOIN twin t ON t.channel_id = a.channel_id
    LEFT JOIN public.preflight_channels x
        ON x.preflight_id = CAST(:preflight_id AS uuid) AND x.channel_id = a.channel_id AND x.verdict = 'FAILS'
    WHERE a.is_sendable
), inserted AS (
    INSERT INTO public.jobs
        (campaign_id, channel_id, account_id, random_id, status, error_code, error_message, failed_at)
    SELECT :campaign_id, e.channel_id, :account_id,
           ('x' || left(md5(CAST(:campaign_id AS uuid) || '/' || e.channel_id), 16))::bit(64)::bigint,
           CASE WHEN e.failing IS NOT NULL THEN 'CANCELLED' WHEN e.is_twin THEN 'FAILED' ELSE 'QUEUED' END,
           CASE WHEN e.failing IS NOT NULL THEN 'SKIPPED_BY_PREFLIGHT' WHEN e.is_twin THEN 'DUPLICATE_CHANNEL' END,
           CASE WHEN e.failing IS NOT NULL
                THEN format('Left out at the start, because the preflight found %s.', e.failing)
                WHEN e.is_twin THEN 'Another entry of this campaign is the same Telegram channel.' END,
           CASE WHEN e.failing IS NULL AND e.is_twin THEN clock_timestamp() END
    FROM entry e
    ORDER BY e.position
    ON CONFLICT (campaign_id, channel_id) DO NOTHING
    RETURNING status
), added AS (
    SELECT count(*)::int AS n, (count(*) FILTER (WHERE status = 'FAILED'))::int AS twins,
           (count(*) FILTER (WHERE status = 'CANCELLED'))::int AS skipped
    FROM inserted
), counted AS (
    INSERT INTO public.campaign_progress AS p (campaign_id, total, queued, failed, cancelled, brake_failed, version)
    SELECT :campaign_id, n, n - twins - skipped, twins, skipped, twins, 1 FROM added
    ON CONFLICT (campaign_id) DO UPDATE
    SET total = p.total + excluded.total, queued = p.queued + excluded.queued, failed = p.failed + excluded.failed,
        cancelled = p.cancelled + excluded.cancelled, brake_failed = p.brake_failed + excluded.brake_failed, version = p.version + 1,
        updated_at = clock_timestamp()
    RETURNING p.total
)
SELECT counted.total, count(audience.position)::int AS seen, max(audience.position) AS position
FROM counted LEFT JOIN audience ON true
GROUP BY counted.total
