CREATE TABLE currencies (code text PRIMARY KEY);

-- Reference data: a table that holds rows from the beginning is not emptied between tests.
INSERT INTO currencies VALUES ('EUR'), ('CHF');

CREATE TABLE orders (
    number   bigint GENERATED ALWAYS AS IDENTITY,
    order_id text PRIMARY KEY,
    customer text NOT NULL,
    cents    integer NOT NULL CHECK (cents > 0),
    currency text NOT NULL REFERENCES currencies
);

CREATE TABLE totals (
    customer text PRIMARY KEY,
    cents    integer NOT NULL
);
