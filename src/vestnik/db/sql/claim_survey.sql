-- Take the next command that only looks at channels, under the lease: one that nobody started, or one whose former
-- owner went away in the middle. Whoever claims has nothing else in hand, so what is STARTED under its own epoch was lost
-- to it as well. Nothing is posted, so it takes no slot; what it does twice does no harm.
WITH lease AS MATERIALIZED (
    SELECT account_id FROM public.account_leases
    WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
    FOR SHARE
), due AS MATERIALIZED (
    SELECT k.id FROM lease l
    JOIN public.account_commands k ON k.account_id = l.account_id
    WHERE k.kind IN ('SYNC', 'PREFLIGHT') AND k.not_before <= clock_timestamp()
      AND (k.status = 'PENDING' AND k.expires_at > clock_timestamp()
           OR k.status = 'STARTED' AND coalesce(k.claim_epoch, 0) <= :epoch AND k.claims < :most_claims)
    ORDER BY k.created_at, k.id
    LIMIT 1
    FOR NO KEY UPDATE OF k
)
UPDATE public.account_commands k
SET status = 'STARTED', claim_epoch = :epoch, claims = k.claims + 1
FROM due d
WHERE k.id = d.id
RETURNING k.id, k.kind, k.claims, clock_timestamp() AS at
