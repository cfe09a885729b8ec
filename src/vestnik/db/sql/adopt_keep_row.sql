-- A row as JSON; one that holds what jsonb does not take (a zero character in a column of type json) as the text of its
-- JSON. Gone with the connection.
CREATE OR REPLACE FUNCTION pg_temp.vestnik_keep_row(kept anyelement) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN to_jsonb(kept);
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('row', row_to_json(kept)::text);
END $$
