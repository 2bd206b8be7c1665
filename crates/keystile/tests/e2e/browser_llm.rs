//! Keys for language models set up in a real browser: a provider, its models, and a key that has a budget.

use keystile_testkit::browser::Browser;
use keystile_testkit::scene::Scene;
use keystile_testkit::wait::until;
use serde_json::Value;

use crate::world::KEYSTILE;

const CREDENTIAL: &str = "gsk-of-a-browser-and-of-nobody-else";

/// Adds a provider in the panel.
fn add_provider(browser: &Browser, scene: &Scene) {
    browser.open(&scene.page("providers"));
    browser.control("New provider").click();
    browser.control("Name").fill("Groq");
    browser.control("Base URL").fill("https://api.groq.com/openai/v1");
    browser.control("Credential").fill(CREDENTIAL);
    browser.settle();
    browser.expect_accessible();
    browser.control("Add provider").click();
    browser.css("h1").wait_for_text(|text| text == "Groq");
    assert!(browser.text().contains("Nothing of it is offered yet"));
    let held = browser.script("return document.documentElement.outerHTML", &[]);
    assert!(!held.as_str().unwrap().contains(CREDENTIAL), "it is shown nowhere");
}

/// Offers a model of it, with a price.
fn add_model(browser: &Browser) {
    browser.control("New model").click();
    browser.control("Name").fill("llama-3.1-8b-instant");
    browser.control("Further names").fill("llama");
    browser.control("Input").fill("0.05");
    browser.control("Output").fill("0.08");
    browser.settle();
    browser.expect_accessible();
    browser.control("Add model").click();
    browser.css("h1").wait_for_text(|text| text == "llama-3.1-8b-instant");
    assert!(browser.text().contains("$0.05 in, $0.08 out"));
}

/// Makes a key that may use it, and gives the path of its page.
fn make_key(browser: &Browser, scene: &Scene) -> String {
    browser.open(&scene.page("llm-keys"));
    browser.control("New LLM key").click();
    browser.control("Name").fill("Llama readers");
    browser.control("Allowed models").fill("llama*");
    browser.control("Budget in US dollars").fill("25");
    browser.control("Create key").click();
    browser.css("#panel h1").wait_for_text(|text| text == "Your new key");
    browser.control("Done: I have copied it").click();
    browser.css("#spending").wait();
    browser.path()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_a_model_and_a_key_with_a_budget_are_set_up_in_the_browser() {
    let scene = Scene::start(KEYSTILE).await;
    let browser = scene.browser("owner");
    add_provider(&browser, &scene);
    add_model(&browser);
    let key = make_key(&browser, &scene);
    let text = browser.text();
    assert!(text.contains("$25.00 a month") && text.contains("$0.00"), "{text}");
    browser.control("How it is used").click();
    browser.css("#call-python").wait_for_text(|text| text.contains("llama-3.1-8b-instant"));
    browser.settle();
    browser.expect_accessible();
    browser.control("LLM keys").click();
    browser.control("Llama readers").click();
    browser.wait_for_path(|path| path == key);
}

#[tokio::test(flavor = "multi_thread")]
async fn spending_is_drawn_day_by_day_and_a_file_is_read_into_the_form_of_an_import() {
    let scene = Scene::start(KEYSTILE).await;
    let browser = scene.browser("owner");
    browser.open(&scene.page("spend"));
    browser.css("[data-chart] canvas").wait();
    let series = browser.css("[data-chart]").attribute("data-chart").unwrap();
    let series: Value = serde_json::from_str(&series).unwrap();
    assert_eq!(series["times"].as_array().unwrap().len(), 30);
    assert!(
        series["spent"].as_array().unwrap().iter().all(|spent| spent.as_f64().unwrap() > 0.0),
        "{series}"
    );

    browser.open(&scene.page("models/import"));
    browser.script("document.querySelector('[value=litellm]').click()", &[]);
    browser.css("#file").wait();
    let choose = "const input = document.getElementById('file');
        const files = new DataTransfer();
        files.items.add(new File(['{\"m\": {}}'], 'prices.json', { type: 'application/json' }));
        input.files = files.files;
        input.dispatchEvent(new Event('change', { bubbles: true }));
        return input.form.elements.table.value";
    browser.script(choose, &[]);
    until("the content of the file", || {
        (browser.css("#table").property("value") == "{\"m\": {}}").then_some(())
    });
}
