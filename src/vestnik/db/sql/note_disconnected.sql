-- The holder of a lease has lost or closed its connection to Telegram.
UPDATE public.account_leases SET connected_at = NULL WHERE account_id = :account_id AND epoch = :epoch
