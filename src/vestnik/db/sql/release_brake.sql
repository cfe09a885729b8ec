-- The error-rate brake counts anew from here. The caller holds the campaign's row lock.
UPDATE public.campaign_progress SET brake_sent = sent, brake_failed = failed WHERE campaign_id = :campaign_id
