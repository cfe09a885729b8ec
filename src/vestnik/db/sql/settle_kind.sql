-- Make an account, whose row is locked, a person's or a bot's, and its campaigns with it: in one statement, because each
-- of them refers to the kind of the other. Nothing is written when it is so already.
WITH mine AS MATERIALIZED (
    SELECT id FROM public.campaigns WHERE account_id = :account_id AND account_kind <> :kind
    ORDER BY id
    FOR NO KEY UPDATE
), moved AS (
    UPDATE public.campaigns c SET account_kind = :kind FROM mine m WHERE c.id = m.id
    RETURNING c.id
)
UPDATE public.accounts SET kind = :kind
WHERE id = :account_id AND kind <> :kind AND (SELECT count(*) FROM moved) >= 0
