-- Keep who Telegram says the account is; nothing is written when that is known already.
UPDATE public.accounts
SET tg_user_id = :tg_user_id, tg_name = :tg_name, updated_at = clock_timestamp()
WHERE id = :account_id AND (tg_user_id, tg_name) IS DISTINCT FROM (CAST(:tg_user_id AS bigint), CAST(:tg_name AS text))
