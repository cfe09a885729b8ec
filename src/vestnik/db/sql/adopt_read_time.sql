-- Read a time that is stored as text, NULL where it is none; the transaction's time zone is UTC. Gone with the connection.
CREATE OR REPLACE FUNCTION pg_temp.vestnik_read_time(value text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN value::timestamptz;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$
