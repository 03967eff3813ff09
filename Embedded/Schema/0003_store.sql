-- Which database this is, and how many transactions it has committed: held against a record beside the file at each start.
CREATE TABLE store (
    id      TEXT    NOT NULL,
    commits INTEGER NOT NULL
);
INSERT INTO store (id, commits) VALUES (lower(hex(randomblob(16))), 0);
