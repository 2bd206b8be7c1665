-- Who provides language models to tenants. `sealed` is what opens the provider's API, of which `hint` is shown.
CREATE TABLE providers (
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    id {id} NOT NULL,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    base_url TEXT NOT NULL,
    environment TEXT,
    enabled {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    version {int} NOT NULL,
    hint TEXT,
    sealed_by {blob} NOT NULL,
    sealed {blob} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX providers_name ON providers (tenant_id, name);

-- What tenants offer of their models. `price` is the present one, as JSON; `price_version` its number in `model_prices`, 0 if there
-- never was one.
CREATE TABLE models (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    provider_id {id} NOT NULL,
    name {id} NOT NULL,
    aliases TEXT NOT NULL,
    upstream_name TEXT NOT NULL,
    rank {int} NOT NULL,
    context_window {int},
    max_output_tokens {int},
    encoding TEXT,
    price TEXT,
    price_version {int} NOT NULL,
    enabled {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX models_name ON models (tenant_id, provider_id, name);

-- Every price that there ever was. Spending is told by the name of a model, its provider and the number of its price, so rows outlive
-- both, and a model that is made anew goes on counting. A price that is NULL was taken away.
CREATE TABLE model_prices (
    tenant_id {id} NOT NULL,
    provider_id {id} NOT NULL,
    model {id} NOT NULL,
    version {int} NOT NULL,
    price TEXT,
    set_at {int} NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, model, version)
) {strict};
