-- Stop an account in one row: its campaigns stay RUNNING and are shown as blocked.
UPDATE public.accounts SET state = :state, state_reason = :reason, updated_at = clock_timestamp()
WHERE id = :account_id AND state = 'ACTIVE'
