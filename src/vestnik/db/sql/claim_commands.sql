-- Claim the next posts that people wait for, under the lease, before any of them is sent.
-- One that was never started is taken until it expires. One that may have been posted (STARTED, given back or of an
-- earlier holder) is asked about again under its random_id for a while longer. Ten unsettled claims are the end of
-- guessing. Each takes one of the account's slots, which becomes durable with the claim. Locks in the order lease,
-- commands; no SKIP LOCKED, because whoever holds a row (settle_commands) lets go at once.
WITH lease AS MATERIALIZED (
    SELECT l.account_id, a.rate FROM public.account_leases l
    JOIN public.accounts a ON a.id = l.account_id AND a.state = 'ACTIVE'
    WHERE l.account_id = :account_id AND l.epoch = :epoch AND l.lease_until > clock_timestamp()
      AND NOT EXISTS (
          SELECT 1 FROM public.account_holds h
          WHERE h.account_id = :account_id AND h.scope = 'SEND' AND h.until > clock_timestamp())
    FOR NO KEY UPDATE OF l
), due AS MATERIALIZED (
    SELECT k.id, k.maybe_sent, p.tg_id, p.access_hash FROM lease l
    JOIN public.account_commands k ON k.account_id = l.account_id
    JOIN public.channels ch ON ch.id = k.channel_id AND ch.is_active
    JOIN public.channel_peers p ON p.account_id = k.account_id AND p.channel_id = k.channel_id AND p.is_active
    WHERE k.kind = 'SEND' AND k.not_before <= clock_timestamp() AND k.payload_ciphertext IS NOT NULL
      AND (k.status = 'PENDING' AND k.expires_at > clock_timestamp()
           OR k.status = 'STARTED' AND coalesce(k.claim_epoch, 0) < :epoch AND k.claims < :most_claims
              AND k.expires_at > clock_timestamp() - CAST(:settle_for AS interval))
      AND p.access_hash IS NOT NULL AND (p.hold_until IS NULL OR p.hold_until <= clock_timestamp())
    ORDER BY k.created_at, k.id
    LIMIT :count
    FOR NO KEY UPDATE OF k
), claimed AS (
    UPDATE public.account_commands k
    SET status = 'STARTED', claim_epoch = :epoch, claims = k.claims + 1, maybe_sent = true
    FROM due d
    WHERE k.id = d.id
    RETURNING k.id, k.channel_id, k.random_id, k.payload_ciphertext, k.attempts, k.claims, k.created_at,
              k.result ->> 'error_code' AS error_code, d.maybe_sent AS was_maybe_sent, d.tg_id, d.access_hash
), slot AS (
    UPDATE public.account_leases l
    SET next_slot_at = greatest(l.next_slot_at, clock_timestamp())
        + make_interval(secs => c.n / lease.rate::float8)
    FROM lease, (SELECT count(*) AS n FROM claimed) c
    WHERE l.account_id = lease.account_id AND c.n > 0
)
SELECT * FROM claimed ORDER BY created_at, id
