-- The bin of a score from 0 to 1, exactly as score_bins of core/metrics/score_histogram.py: scaling by a power of two
-- is exact.
-- Parameters: none.
CREATE OR REPLACE TEMP MACRO octave(distance) AS
    least(12, greatest(2, ceil(-log2(greatest(distance, 1e-9))) - 1));
CREATE OR REPLACE TEMP MACRO steps_from_end(distance) AS
    least(447, (12 - octave(distance)) * 32 + floor(distance * 2.0 ** (octave(distance) + 6)))::INT;
CREATE OR REPLACE TEMP MACRO score_bin(score) AS
    CASE
        WHEN score < 0.5 THEN steps_from_end(greatest(score, 0.0))
        ELSE 895 - steps_from_end(greatest(1 - score, 0.0))
    END
