-- A view that was closed and opened again under another rule had the rule of its earlier life: `isReopened`, where no revision set the next
-- rule. The ledger knows both rules and, by the revisions before an entry, from when on the next one holds.
WITH steps AS (
  SELECT
    view_id,
    sequence,
    kind = 'view-created' AS is_opening,
    json_extract(text, '$.rule') AS rule,
    coalesce(
      revision,
      1 + coalesce((SELECT max(earlier.revision) FROM ledger AS earlier WHERE earlier.view_id = ledger.view_id AND earlier.revision IS NOT NULL AND earlier.sequence < ledger.sequence), 0)
    ) AS since
  FROM ledger
  WHERE view_id IN (SELECT view_id FROM ledger WHERE kind = 'view-created' GROUP BY view_id HAVING count(*) > 1)
    AND (kind = 'view-created' OR (kind = 'promotion' AND json_extract(text, '$.rule') IS NOT NULL))
),
changes AS (
  SELECT *, lag(rule) OVER (PARTITION BY view_id ORDER BY sequence) AS before FROM steps
),
past AS (
  SELECT
    view_id,
    json_group_array(
      json(iif(is_opening, json_object('rule', before, 'until', since, 'isReopened', json('true')), json_object('rule', before, 'until', since)))
      ORDER BY sequence
    ) AS rules
  FROM changes
  WHERE before IS NOT NULL AND NOT (is_opening AND (before = rule OR since = 1))
  GROUP BY view_id
)
UPDATE views SET past_rules = past.rules FROM past WHERE past.view_id = views.id;
