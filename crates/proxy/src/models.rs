//! `GET /v1/models`: the aliases that a tenant may use, in OpenAI's list shape.

use decisions::plan::{Alias, Plan};
use decisions::{AliasId, TenantId};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::error_response::json;
use crate::response::GatewayBody;

#[derive(Serialize)]
struct List<'p> {
    object: &'static str,
    data: Vec<Model<'p>>,
}

#[derive(Serialize)]
struct Model<'p> {
    id: &'p str,
    object: &'static str,
    /// An alias has no birthday; clients want a number.
    created: u64,
    owned_by: &'static str,
}

impl<'p> Model<'p> {
    fn of(alias: &'p Alias) -> Model<'p> {
        Model { id: &alias.name, object: "model", created: 0, owned_by: "cometgate" }
    }
}

/// All that the tenant may use.
pub(crate) fn list(plan: &Plan, tenant: TenantId) -> Response<GatewayBody> {
    let allowed = &plan.tenant(tenant).allowed_aliases;
    let aliases = (0..).map(AliasId).zip(&plan.parts().aliases);
    let data = aliases.filter(|(id, _)| allowed.allows(*id)).map(|(_, alias)| Model::of(alias)).collect();
    json(StatusCode::OK, &List { object: "list", data })
}

/// One of them; `None` when the name is no alias of the tenant's.
pub(crate) fn one(plan: &Plan, tenant: TenantId, name: &str) -> Option<Response<GatewayBody>> {
    let alias = plan.alias_named(name)?;
    let allowed = plan.tenant(tenant).allowed_aliases.allows(alias);
    allowed.then(|| json(StatusCode::OK, &Model::of(plan.alias(alias))))
}
