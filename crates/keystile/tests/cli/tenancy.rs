//! `keystile tenants …`, `apps …`, `customers …`, `members …` and `invitations …`.

use serde_json::Value;

use crate::run::{Ran, keystile, ran};
use crate::server::Server;

/// The data of a run that succeeded, as JSON.
fn json(server: &Server, command: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&ran(&mut server.ask(command, &arguments)).ok()).unwrap()
}

fn told(server: &Server, command: &str, arguments: &[&str]) -> Ran {
    ran(&mut server.ask(command, arguments))
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap()
}

#[test]
fn a_tenant_is_shown_and_changed() {
    let server = Server::start("tenants");
    let listed = told(&server, "tenants", &["list"]).ok();
    assert!(
        listed.starts_with("ID  ") && listed.contains("Playground") && listed.contains("owner"),
        "{listed}"
    );
    let update = ["update", "--name", "Acme", "--rotation-days", "30", "--default-trust-level", "internal"];
    let changed = told(&server, "tenants", &update).ok();
    assert!(changed.contains("after 30 days") && changed.contains("internal"), "{changed}");
    assert_eq!(told(&server, "tenants", &["show"]).ok(), changed);
    let stale = told(&server, "tenants", &["update", "--name", "Late", "--if-version", "1"]);
    assert!(stale.status == Some(2) && stale.notes.contains("version_conflict"), "{stale:?}");
    for (arguments, said) in [
        (&["update"][..], "nothing is to be changed"),
        (&["update", "--if-version", "2"], "nothing is to be changed"),
        (&["update", "--rotation-days", "0"], "1..=3650"),
        (&["update", "--default-trust-level", "root"], "external"),
        (&["create", "B", "--key-label", "B!"], "a-z and 0-9"),
    ] {
        let refused = told(&server, "tenants", arguments);
        assert!(refused.status == Some(2) && refused.notes.contains(said), "{refused:?}");
    }
    let made = json(&server, "tenants", &["create", "Second", "--key-label", "second"]);
    assert_eq!((text(&made, "key_label"), text(&made, "role")), ("second", "owner"));
}

#[test]
fn applications_and_customers_are_made_changed_and_archived() {
    let server = Server::start("apps-customers");
    let shop = json(&server, "apps", &["create", "shop", "--description", "The web shop"]);
    let id = text(&shop, "id");
    let archived = told(&server, "apps", &["update", id, "--archive", "--clear-description"]).ok();
    assert!(archived.contains("archived") && !archived.contains("The web shop"), "{archived}");
    assert!(!told(&server, "apps", &["list"]).ok().contains(id));
    assert!(told(&server, "apps", &["list", "--include-archived"]).ok().contains(id));
    let late = told(&server, "keys", &["create", "late", "--application", id]);
    assert!(late.notes.contains("application_archived"), "{late:?}");
    told(&server, "apps", &["update", id, "--restore"]).ok();
    assert_eq!(json(&server, "apps", &["show", id])["archived"], false);

    let create = ["create", "Globex", "--external-id", "crm/42", "--metadata-json", r#"{"plan": "gold"}"#];
    let globex = json(&server, "customers", &create);
    let id = text(&globex, "id");
    assert_eq!(globex["metadata"]["plan"], "gold");
    let found = told(&server, "customers", &["list", "--external-id", "crm/42"]).ok();
    assert!(found.lines().count() == 2 && found.contains(id), "{found}");
    let key = json(&server, "keys", &["create", "web", "--customer", id]);
    assert_eq!(text(&key, "customer_id"), id);
    let nobody = ["create", "web", "--customer", "cus_01J00000000000000000000001"];
    let nobody = told(&server, "keys", &nobody);
    assert!(nobody.notes.contains("--customer: must be a customer of this tenant"), "{nobody:?}");
    told(&server, "customers", &["update", id, "--archive", "--clear-external-id"]).ok();
    let shown = told(&server, "customers", &["show", id]).ok();
    assert!(shown.contains("archived") && shown.contains("plan=\"gold\""), "{shown}");
    let none = told(&server, "customers", &["list"]);
    assert!(none.notes.contains("customers create NAME") && none.out.is_empty(), "{none:?}");
    assert_eq!(told(&server, "customers", &["update", id]).status, Some(2));
}

#[test]
fn routes_are_shown_and_set_from_a_file() {
    let server = Server::start("routes");
    let shop = json(&server, "apps", &["create", "shop"]);
    let id = text(&shop, "id");
    let file = format!("{}/routes.json", env!("CARGO_TARGET_TMPDIR"));
    let set = |routes: &str| {
        std::fs::write(&file, routes).unwrap();
        told(&server, "apps", &["routes", "set", id, &file])
    };
    assert!(told(&server, "apps", &["routes", "show", id]).ok().contains("authenticate"));
    let written = set(r#"{"hosts": [{"host": "a.example", "environment": "staging"}], "routes": [
        {"methods": ["GET", "HEAD"], "path": "/orders/{id}", "permissions": {"any": ["orders:read", "orders:write"]}},
        {"path": "/{*rest}", "permissions": ["a:b", "a:c"], "environment": "production"}]}"#)
    .ok();
    for part in
        ["refuse", "a.example", "GET HEAD", "orders:read or orders:write", "any", "a:b and a:c", "production"]
    {
        assert!(written.contains(part), "{part}: {written}");
    }
    let shown = json(&server, "apps", &["routes", "show", id]);
    assert_eq!((&shown["version"], shown["routes"].as_array().unwrap().len()), (&2.into(), 2));
    assert_eq!(set(&shown.to_string()).ok(), written);
    for (routes, said) in [
        (r#"{"version": 1}"#, "version_conflict"),
        (r#"{"routes": [{"path": "/a"}, {"path": "/a"}]}"#, "routes[1].path: covers the same as routes[0]"),
        (r#"{"routes": [{"path": "a"}]}"#, "routes[0].path: must be a path"),
        (r#"{"route": []}"#, "unknown field `route`"),
        ("[]", "expected an object"),
    ] {
        let refused = set(routes);
        assert!(refused.status == Some(2) && refused.notes.contains(said), "{said}: {refused:?}");
    }
    assert_eq!(json(&server, "apps", &["routes", "show", id]), shown);
    let missing = told(&server, "apps", &["routes", "set", id, "/nowhere.json"]);
    assert!(missing.notes.contains("/nowhere.json cannot be read"), "{missing:?}");
}

#[test]
fn permissions_are_described_listed_and_taken_out() {
    let server = Server::start("permissions");
    let shop = json(&server, "apps", &["create", "shop"]);
    let application = ["--application", text(&shop, "id")];
    let run = |arguments: &[&str]| told(&server, "permissions", &[arguments, &application].concat());
    let none = run(&["list"]);
    assert!(none.notes.contains("permissions set PERMISSION LABEL") && none.out.is_empty(), "{none:?}");
    run(&["set", "customers:read", "Customer Read"]).ok();
    let set = ["set", "customers:read", "Customer Reading", "--description", "Names and addresses"];
    let described = run(&set).ok();
    assert!(
        described.contains("Customer Reading") && described.contains("Names and addresses"),
        "{described}"
    );
    run(&["set", "orders:read", "Orders"]).ok();
    let listed = run(&["list"]).ok();
    assert!(listed.lines().count() == 3 && !listed.contains("Customer Read "), "{listed}");
    let all = json(&server, "permissions", &["list", "--limit", "1"]);
    assert_eq!((text(&all["data"][0], "name"), all["data"].as_array().unwrap().len()), ("customers:read", 1));
    assert!(run(&["remove", "customers:read"]).notes.contains("no more"));
    assert_eq!(run(&["list"]).ok().lines().count(), 2);
    for (arguments, said) in [
        (&["remove", "customers:read"][..], "not_found"),
        (&["set", "keystile.keys:issue", "Issue"], "Keystile's own"),
        (&["set", "customers:*", "All"], "permission"),
    ] {
        let refused = run(arguments);
        assert!(refused.status == Some(2) && refused.notes.contains(said), "{refused:?}");
    }
}

#[test]
fn people_are_invited_checked_and_put_out() {
    let server = Server::start("members");
    let invited = told(&server, "invitations", &["create", "bob@example.com", "viewer"]);
    assert!(invited.notes.contains("shown once"), "{invited:?}");
    let token = invited.ok();
    assert!(token.starts_with("ksinv_") && token.lines().count() == 1, "{token}");
    let listed = json(&server, "invitations", &["list"]);
    assert_eq!(text(&listed["data"][0], "email"), "bob@example.com");
    told(&server, "invitations", &["revoke", text(&listed["data"][0], "id")]).ok();
    let none = told(&server, "invitations", &["list"]);
    assert!(none.out.is_empty() && none.notes.contains("Nobody is invited"), "{none:?}");

    let members = json(&server, "members", &["list"]);
    let owner = text(&members["data"][0], "person_id");
    assert!(told(&server, "members", &["check", "OWNER@localhost"]).ok().contains(owner));
    assert!(told(&server, "members", &["check", owner]).ok().contains("owner"));
    for nobody in ["bob@example.com", "per_01J00000000000000000000001"] {
        let no = told(&server, "members", &["check", nobody]);
        assert_eq!((no.status, no.out.as_str(), no.notes.as_str()), (Some(1), "", "Not a member.\n"));
        let no = told(&server, "members", &["check", nobody, "--json"]);
        let said: Value = serde_json::from_str(&no.out).unwrap();
        assert_eq!((no.status, &said["is_member"], no.notes.as_str()), (Some(1), &false.into(), ""));
    }
    for arguments in [&["set-role", "owner@localhost", "viewer"][..], &["remove", owner]] {
        let refused = told(&server, "members", arguments);
        assert!(refused.status == Some(2) && refused.notes.contains("last_owner"), "{refused:?}");
    }
    let unknown = told(&server, "members", &["remove", "bob@example.com"]);
    assert!(unknown.notes.contains("nobody with this address"), "{unknown:?}");
    assert!(told(&server, "members", &["set-role", owner, "boss"]).notes.contains("developer"));
    let nobody = ran(&mut keystile(&["members", "list"]));
    assert!(nobody.status == Some(2) && nobody.notes.contains("KEYSTILE_TOKEN"), "{nobody:?}");
}
