-- A view may have several freezes, each of everything or of some packages: a list, where there was one.
UPDATE views SET freeze = json_array(json(freeze)) WHERE freeze IS NOT NULL;
