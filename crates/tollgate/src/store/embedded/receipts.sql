
-- The ends of reservations whose ids may be asked for again, and what was used beyond them, with
-- all that a start reads of them: it does not look for their rows all over the file.
CREATE INDEX kept ON entries (
    seq, kind, keep, id, requests, input_tokens, output_tokens, nano_usd, millis
) WHERE keep = 1 AND kind IN (4, 5);
CREATE INDEX overruns ON entries (
    seq, kind, requests, input_tokens, output_tokens, nano_usd, millis
) WHERE kind = 7;
