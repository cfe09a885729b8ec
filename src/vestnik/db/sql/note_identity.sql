-- Keep who Telegram says the account is, unless it is somebody else than before or another account of ours.
-- The answer is what was known before, and that other account's name; the same rules as `judge_identity`. Nothing is
-- written to the account when that is known already. Its kind, and that in its campaigns, follow the user: it may have
-- been used for campaigns before anybody knew that a bot is behind it. Afterwards neither changes any more.
WITH me AS MATERIALIZED (
    SELECT a.id, a.name, a.kind, a.tg_user_id, a.tg_name FROM public.accounts a
    WHERE a.id = :account_id
    FOR NO KEY UPDATE
), other AS MATERIALIZED (
    SELECT o.name FROM public.accounts o, me
    WHERE o.tg_user_id = :tg_user_id AND o.id <> me.id AND o.kind <> 'SIMULATED'
), fitting AS MATERIALIZED (
    SELECT me.id,
           CASE WHEN me.kind = 'SIMULATED' THEN me.kind
                WHEN CAST(:is_bot AS bool) THEN 'BOT'
                ELSE 'USER' END AS kind
    FROM me
    WHERE me.kind = 'SIMULATED'
       OR coalesce(me.tg_user_id, :tg_user_id) = :tg_user_id AND NOT EXISTS (SELECT 1 FROM other)
), mine AS MATERIALIZED (
    SELECT c.id, f.kind FROM fitting f JOIN public.campaigns c ON c.account_id = f.id AND c.account_kind <> f.kind
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
), moved AS (
    UPDATE public.campaigns c SET account_kind = m.kind FROM mine m WHERE c.id = m.id
    RETURNING c.id
), adopted AS (
    UPDATE public.accounts a
    SET tg_user_id = :tg_user_id, tg_name = :tg_name, kind = f.kind, updated_at = clock_timestamp()
    FROM fitting f
    WHERE a.id = f.id
      AND (a.tg_user_id, a.tg_name, a.kind)
          IS DISTINCT FROM (CAST(:tg_user_id AS bigint), CAST(:tg_name AS text), f.kind)
      AND (SELECT count(*) FROM moved) >= 0
), connected AS (
    UPDATE public.account_leases l SET connected_at = clock_timestamp()
    FROM fitting f
    WHERE l.account_id = f.id AND l.epoch = :epoch
)
SELECT me.name, me.kind, me.tg_user_id, me.tg_name, (SELECT name FROM other) AS namesake FROM me
