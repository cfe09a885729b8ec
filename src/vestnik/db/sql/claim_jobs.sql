-- Claim due jobs of several campaigns at once, under the lease, before any of them is sent.
-- Locks in the order lease, campaigns, jobs, progress. Returned jobs (claims > 0) come first, through their own
-- index; fresh ones are read beyond a cursor, because dead index entries at the head would slow every claim.
-- A job is claimable only with a usable peer: resolved, active and not on hold. Ten unsettled claims are the end
-- of guessing: such a job is left for fail_unsendable. With the claim the next slots become durable.
-- (id + 0) is what the index of open jobs holds, fresh ones and those being sent: the primary key would fit a bare id
-- too, and the planner preferred to walk it past all jobs of other campaigns. The update takes an array of ids for the
-- same reason: the planner expects a tenth of all fresh jobs from a LIMIT that it does not know, and would read the
-- whole ledger to join them.
-- CASE hides from the planner how few jobs of the ledger are queued: it takes that for a further part of those that are open,
-- counts on hardly any, and would read and sort them all.
-- Fresh jobs are looked at from the first one beyond the cursor on, over :span ids and no further: where nothing is
-- claimable yet, a claim would otherwise read the whole campaign, and all others of the account would wait for it. A row
-- without a job tells how far was looked where there was too little and there is more beyond. OFFSET 0 has the planner look
-- up peer and channel job by job: where hardly any peer has an address, it read all channels to join them (100 ms of a
-- hundred thousand).
-- Fresh jobs are not locked before the update, which costs a tenth of a claim: whoever moves jobs locks their campaign
-- first, and what changed while this waited for the campaign is asked again by the update itself.
WITH lease AS MATERIALIZED (
    SELECT l.account_id FROM public.account_leases l
    JOIN public.accounts a ON a.id = l.account_id AND a.state = 'ACTIVE'
    WHERE l.account_id = :account_id AND l.epoch = :epoch AND l.lease_until > clock_timestamp()
      AND NOT EXISTS (
          SELECT 1 FROM public.account_holds h
          WHERE h.account_id = :account_id AND h.scope = 'SEND' AND h.until > clock_timestamp())
    FOR NO KEY UPDATE OF l
), wanted AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:campaign_ids AS uuid[]), CAST(:counts AS int[]), CAST(:cursors AS bigint[]),
        CAST(:next_slots AS float8[])
    ) AS w (campaign_id, n, after_id, next_slot_in)
), campaign AS MATERIALIZED (
    SELECT c.id FROM public.campaigns c
    JOIN lease l ON l.account_id = c.account_id
    WHERE c.id = ANY (CAST(:campaign_ids AS uuid[])) AND c.status = 'RUNNING'
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
), returned AS MATERIALIZED (
    SELECT r.* FROM campaign c
    JOIN wanted w ON w.campaign_id = c.id
    CROSS JOIN LATERAL (
        SELECT j.id, j.campaign_id, j.maybe_sent, ch.username, ch.title, p.tg_id, p.access_hash FROM public.jobs j
        JOIN public.channel_peers p ON p.account_id = j.account_id AND p.channel_id = j.channel_id
        JOIN public.channels ch ON ch.id = j.channel_id
        WHERE j.campaign_id = c.id AND j.queue_part = 'RETURNED'
          AND j.not_before <= clock_timestamp() AND NOT (j.claims >= 10 AND j.maybe_sent)
          AND p.access_hash IS NOT NULL AND p.is_active AND ch.is_active
          AND (p.hold_until IS NULL OR p.hold_until <= clock_timestamp())
        ORDER BY j.not_before
        LIMIT w.n
        FOR NO KEY UPDATE OF j SKIP LOCKED
    ) r
), looked AS MATERIALIZED (
    SELECT c.id AS campaign_id, w.n, w.after_id, (
        SELECT (j.id + 0) + :span - 1 FROM public.jobs j
        WHERE j.campaign_id = c.id AND j.queue_part = 'OPEN' AND CASE j.status WHEN 'QUEUED' THEN true ELSE false END
          AND (j.id + 0) > w.after_id
        ORDER BY (j.id + 0) LIMIT 1) AS up_to
    FROM campaign c
    JOIN wanted w ON w.campaign_id = c.id
), fresh AS MATERIALIZED (
    SELECT f.* FROM looked w
    CROSS JOIN LATERAL (
        SELECT j.id, j.campaign_id, j.maybe_sent, ch.username, ch.title, p.tg_id, p.access_hash FROM public.jobs j
        CROSS JOIN LATERAL (
            SELECT p.tg_id, p.access_hash FROM public.channel_peers p
            WHERE p.account_id = j.account_id AND p.channel_id = j.channel_id
              AND p.access_hash IS NOT NULL AND p.is_active
              AND (p.hold_until IS NULL OR p.hold_until <= clock_timestamp())
            OFFSET 0
        ) p
        CROSS JOIN LATERAL (
            SELECT ch.username, ch.title FROM public.channels ch WHERE ch.id = j.channel_id AND ch.is_active OFFSET 0
        ) ch
        WHERE j.campaign_id = w.campaign_id AND j.queue_part = 'OPEN' AND CASE j.status WHEN 'QUEUED' THEN true ELSE false END
          AND (j.id + 0) > w.after_id AND (j.id + 0) <= w.up_to
        ORDER BY (j.id + 0)
        LIMIT greatest(w.n - (SELECT count(*) FROM returned r WHERE r.campaign_id = w.campaign_id), 0)
    ) f
), due AS MATERIALIZED (
    SELECT * FROM returned UNION ALL SELECT * FROM fresh
), claimed AS (
    UPDATE public.jobs j
    SET status = 'SENDING', claim_epoch = :epoch, claims = j.claims + 1, maybe_sent = true,
        started_at = coalesce(j.started_at, clock_timestamp())
    WHERE j.id = ANY (ARRAY(SELECT id FROM due))
      AND j.status = 'QUEUED' AND (j.claims = 0 OR j.id = ANY (ARRAY(SELECT id FROM returned)))
    RETURNING j.id, j.campaign_id, j.channel_id, j.random_id, j.attempts, j.claims, j.error_code, j.started_at
), delta AS (
    SELECT campaign_id, count(*)::int AS n FROM claimed GROUP BY campaign_id
), counter AS MATERIALIZED (
    -- Locked first, and all counters taken from here: an UPDATE checks constraints on the row of its snapshot before
    -- it notices that another transaction has changed that row meanwhile.
    SELECT p.* FROM public.campaign_progress p
    WHERE p.campaign_id IN (SELECT campaign_id FROM delta)
    ORDER BY p.campaign_id
    FOR NO KEY UPDATE
), progress AS (
    UPDATE public.campaign_progress p
    SET total = x.total, queued = x.queued - d.n, sending = x.sending + d.n, sent = x.sent, failed = x.failed,
        cancelled = x.cancelled, version = x.version + 1,
        updated_at = clock_timestamp()
    FROM delta d JOIN counter x ON x.campaign_id = d.campaign_id
    WHERE p.campaign_id = d.campaign_id
), campaign_slots AS (
    UPDATE public.campaigns c
    SET next_slot_at = clock_timestamp() + make_interval(secs => w.next_slot_in)
    FROM wanted w
    WHERE c.id = w.campaign_id AND c.id IN (SELECT campaign_id FROM delta)
), account_slot AS (
    UPDATE public.account_leases l
    SET next_slot_at = clock_timestamp() + make_interval(secs => CAST(:account_next_slot AS float8))
    FROM lease
    WHERE l.account_id = lease.account_id AND EXISTS (SELECT 1 FROM delta)
)
SELECT c.id, c.campaign_id, c.channel_id, c.random_id, c.attempts, c.claims, c.error_code,
       d.maybe_sent AS was_maybe_sent, d.tg_id, d.access_hash, d.username, d.title,
       CASE WHEN d.maybe_sent THEN c.started_at ELSE clock_timestamp() END AS at, NULL AS looked_to
FROM claimed c
JOIN due d ON d.id = c.id
UNION ALL
SELECT NULL, w.campaign_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, w.up_to
FROM looked w
WHERE w.n > (SELECT count(*) FROM due d WHERE d.campaign_id = w.campaign_id)
  AND EXISTS (
      SELECT FROM public.jobs j
      WHERE j.campaign_id = w.campaign_id AND j.queue_part = 'OPEN' AND CASE j.status WHEN 'QUEUED' THEN true ELSE false END
        AND (j.id + 0) > w.up_to)
ORDER BY id
