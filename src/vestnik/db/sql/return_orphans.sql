-- Put what earlier holders of the lease left in SENDING back into the queue; it keeps maybe_sent and its random_id.
-- Jobs of a campaign cancelled or failed meanwhile end here: nobody would claim them again. They have no index of their
-- own, which every claim would have to write to: the search among the campaign's open jobs goes by their ids, as claims do,
-- and ends with as many as the campaign counts. What it passes are jobs that could not be claimed. CASE as in claim_jobs.
WITH lease AS MATERIALIZED (
    SELECT account_id, epoch FROM public.account_leases
    WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
    FOR SHARE
), orphan AS MATERIALIZED (
    SELECT s.id, s.campaign_id
    FROM lease l
    JOIN public.campaigns c ON c.account_id = l.account_id
    JOIN public.campaign_progress p ON p.campaign_id = c.id AND p.sending > 0
    CROSS JOIN LATERAL (
        SELECT j.id, j.campaign_id, j.claim_epoch FROM public.jobs j
        WHERE j.campaign_id = c.id AND j.queue_part = 'OPEN'
          AND CASE j.status WHEN 'SENDING' THEN true ELSE false END
        ORDER BY (j.id + 0)
        LIMIT p.sending
    ) s
    WHERE s.claim_epoch < l.epoch
), campaign AS MATERIALIZED (
    SELECT c.id, c.status FROM public.campaigns c
    WHERE c.id IN (SELECT campaign_id FROM orphan)
    ORDER BY c.id
    FOR UPDATE
), locked AS MATERIALIZED (
    SELECT j.id, j.campaign_id,
           CASE WHEN c.status NOT IN ('CANCELLED', 'FAILED') THEN 'QUEUED' WHEN j.maybe_sent THEN 'FAILED' ELSE 'CANCELLED' END
               AS new_status
    FROM public.jobs j
    JOIN campaign c ON c.id = j.campaign_id
    WHERE j.id IN (SELECT id FROM orphan) AND j.status = 'SENDING' AND j.claim_epoch < :epoch
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), moved AS (
    UPDATE public.jobs j
    SET status = l.new_status, not_before = clock_timestamp(),
        error_code = CASE l.new_status WHEN 'FAILED' THEN 'UNKNOWN_OUTCOME' ELSE j.error_code END,
        error_message = CASE l.new_status
            WHEN 'FAILED' THEN 'The campaign was cancelled before it was clear whether this post went out.'
            ELSE j.error_message END,
        failed_at = CASE l.new_status WHEN 'FAILED' THEN clock_timestamp() ELSE j.failed_at END
    FROM locked l
    WHERE j.id = l.id
    RETURNING l.campaign_id, l.new_status
), delta AS (
    SELECT campaign_id, count(*)::int AS n,
           (count(*) FILTER (WHERE new_status = 'QUEUED'))::int AS queued,
           (count(*) FILTER (WHERE new_status = 'FAILED'))::int AS failed,
           (count(*) FILTER (WHERE new_status = 'CANCELLED'))::int AS cancelled
    FROM moved GROUP BY campaign_id
), counter AS MATERIALIZED (
    -- Locked first, and all counters taken from here: an UPDATE checks constraints on the row of its snapshot before
    -- it notices that another transaction has changed that row meanwhile.
    SELECT p.* FROM public.campaign_progress p
    WHERE p.campaign_id IN (SELECT campaign_id FROM delta)
    ORDER BY p.campaign_id
    FOR NO KEY UPDATE
)
UPDATE public.campaign_progress p
SET total = x.total, sending = x.sending - d.n, queued = x.queued + d.queued, sent = x.sent, failed = x.failed + d.failed,
    cancelled = x.cancelled + d.cancelled, version = x.version + 1, updated_at = clock_timestamp()
FROM delta d JOIN counter x ON x.campaign_id = d.campaign_id
WHERE p.campaign_id = d.campaign_id
RETURNING p.campaign_id, d.n
