-- Record what became of a claimed command, and what that says of its channel, in one statement.
-- A post that exists is a fact, whoever holds the lease now; everything else is recorded only for the claim that it
-- belongs to, because this statement is repeated when its answer gets lost. PENDING gives the command back: one that
-- may have been posted stays STARTED, without an owner. Locks in the order commands, channel_peers, channels.
WITH result AS MATERIALIZED (
    SELECT * FROM jsonb_to_record(CAST(:result AS jsonb)) AS r (
        id uuid, claim_epoch bigint, claims int, outcome text, detail jsonb, delay float8, attempted bool,
        maybe_sent bool, counts_against_channel bool, deactivate text, error_code text, channel_hold float8,
        forget_peer bool)
), locked AS MATERIALIZED (
    SELECT k.id, k.account_id, k.channel_id
    FROM public.account_commands k
    JOIN result r ON r.id = k.id
    WHERE CASE r.outcome WHEN 'DONE' THEN k.status <> 'DONE'
          ELSE k.status = 'STARTED' AND k.claim_epoch = r.claim_epoch AND k.claims = r.claims END
    FOR NO KEY UPDATE OF k
), moved AS (
    UPDATE public.account_commands k
    SET status = CASE WHEN r.outcome = 'PENDING' AND r.maybe_sent THEN 'STARTED' ELSE r.outcome END,
        claim_epoch = CASE r.outcome WHEN 'PENDING' THEN NULL ELSE k.claim_epoch END,
        maybe_sent = r.maybe_sent,
        attempts = k.attempts + r.attempted::int,
        not_before = clock_timestamp() + make_interval(secs => r.delay),
        payload_ciphertext = CASE r.outcome WHEN 'PENDING' THEN k.payload_ciphertext END,
        result = CASE WHEN r.detail = '{}' THEN k.result ELSE r.detail END,
        finished_at = CASE r.outcome WHEN 'PENDING' THEN NULL ELSE clock_timestamp() END
    FROM result r, locked l
    WHERE k.id = l.id
), peer AS MATERIALIZED (
    SELECT p.account_id, p.channel_id, r.outcome, r.error_code, r.counts_against_channel, r.channel_hold, r.forget_peer,
           r.deactivate IS NOT NULL
           OR r.counts_against_channel AND p.consecutive_failures + 1 >= :failures_to_deactivate AS deactivates
    FROM locked l
    JOIN result r ON r.id = l.id
    JOIN public.channel_peers p ON p.account_id = l.account_id AND p.channel_id = l.channel_id
    WHERE r.outcome = 'DONE' AND p.consecutive_failures > 0
       OR r.counts_against_channel OR r.deactivate IS NOT NULL OR r.channel_hold IS NOT NULL OR r.forget_peer
    FOR NO KEY UPDATE OF p
), peers AS (
    UPDATE public.channel_peers p
    SET consecutive_failures = CASE WHEN x.outcome = 'DONE' THEN 0
            ELSE p.consecutive_failures + x.counts_against_channel::int END,
        hold_until = CASE WHEN x.channel_hold IS NULL THEN p.hold_until
            ELSE greatest(p.hold_until, clock_timestamp() + make_interval(secs => x.channel_hold)) END,
        access_hash = CASE WHEN x.forget_peer THEN NULL ELSE p.access_hash END,
        is_active = p.is_active AND NOT x.deactivates,
        inactive_reason = CASE WHEN p.is_active AND x.deactivates THEN x.error_code ELSE p.inactive_reason END,
        inactive_since = CASE WHEN p.is_active AND x.deactivates THEN clock_timestamp() ELSE p.inactive_since END,
        inactive_campaign_id = CASE WHEN p.is_active AND x.deactivates THEN NULL ELSE p.inactive_campaign_id END
    FROM peer x
    WHERE p.account_id = x.account_id AND p.channel_id = x.channel_id
), channel AS (
    UPDATE public.channels ch
    SET is_active = false, inactive_reason = r.error_code, inactive_since = clock_timestamp(),
        inactive_campaign_id = NULL, updated_at = clock_timestamp()
    FROM result r, locked l
    WHERE r.deactivate = 'CHANNEL' AND ch.id = l.channel_id AND ch.is_active
)
SELECT id FROM locked
