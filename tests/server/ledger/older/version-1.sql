PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_info (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO schema_info VALUES(1,1,'67bebf8676a94133877b7222',1795723094334321);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
INSERT INTO settings VALUES('gateway','{"plan":"business","payments":"sandbox","pay_to":{}}',1795723094474485);
INSERT INTO settings VALUES('sandbox_webhook_secret','"AdZ2qRVsLB8DFK3NLygCCuz7A2yYjPbZ7XFpRMe5Z11I5u9tT9dhBi76X+WlDcDOYwuGhKe+E/5KirBAwBj0Xq+L0/PNzz4T/I6PdL/+VxUvqXYRaEyQqv22TS57md/Pltio"',1795723094474637);
INSERT INTO settings VALUES('included_through','"2026-11"',1795723094673029);
CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    plan TEXT,
    email TEXT,
    external_id TEXT UNIQUE,
    labels TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO customers VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','me','active','business',NULL,NULL,'{}','{}',1795723094474922);
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    parent_id TEXT REFERENCES keys (id),
    kind TEXT NOT NULL CHECK (kind IN ('key', 'sub_key', 'management_key')),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'revoked')),
    models TEXT,
    ip_allowlist TEXT,
    rpm INTEGER CHECK (rpm > 0),
    concurrency INTEGER CHECK (concurrency > 0),
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    CHECK ((kind = 'sub_key') = (parent_id IS NOT NULL))
) STRICT;
INSERT INTO keys VALUES('key_ea50wffgh0hkj8651wc5wc1s','cus_ytwzwrcck9wq4jesrfw4qy9g',NULL,'management_key','management','active',NULL,NULL,NULL,NULL,'{}',1795723094475662,NULL,NULL,1795723103831075);
INSERT INTO keys VALUES('key_e7scnyerxrcmrs85fzn4sev0','cus_ytwzwrcck9wq4jesrfw4qy9g',NULL,'key','ci','active',NULL,NULL,NULL,NULL,'{}',1795723095591711,NULL,NULL,NULL);
INSERT INTO keys VALUES('key_4fr39ze6tzezfafmgs7ryq7r','cus_ytwzwrcck9wq4jesrfw4qy9g',NULL,'key','app','revoked',NULL,NULL,30,NULL,'{}',1795723096428226,NULL,1795723105293263,NULL);
CREATE TABLE key_secrets (
    hash BLOB PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id),
    prefix TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
INSERT INTO key_secrets VALUES(X'a7f31381d2da3291eb667197a967a02229b7f968429f025331e7ecde1aa82bc0','key_ea50wffgh0hkj8651wc5wc1s','nxt_mk_y5kre',1795723094475662,NULL);
INSERT INTO key_secrets VALUES(X'720144d110f714d12334f7f6c1ada1ddfb78c57ac3edc148f498fbc3f402b96a','key_e7scnyerxrcmrs85fzn4sev0','nxt_sk_av66v',1795723095591711,NULL);
INSERT INTO key_secrets VALUES(X'149363caec83b091d7488861ec53a4ef987d6e05cecc4a6511f51b4df60b1231','key_4fr39ze6tzezfafmgs7ryq7r','nxt_sk_8aq9m',1795723096428226,NULL);
CREATE TABLE operators (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'billing', 'support', 'read_only')),
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    hash BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
INSERT INTO operators VALUES('opr_r1mvzkd505d35nrmtgvtka3w','owner','owner','active',X'dd59eafc96ece0ffdbafcd7437654fab7be5ef0750cd5b9d70a476dfd27d8fd6','nxt_op_jy8vw',1795723094475852,NULL);
CREATE TABLE providers (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    base_url TEXT,
    sealed_key BLOB,
    key_env TEXT,
    models TEXT,
    priority INTEGER NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    allow_private INTEGER NOT NULL CHECK (allow_private IN (0, 1)),
    timeout_seconds INTEGER,
    options TEXT NOT NULL,
    health TEXT,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO providers VALUES('echo','echo',NULL,NULL,NULL,NULL,100,1,0,NULL,'{}',NULL,1795723094474650);
CREATE TABLE price_books (
    hash TEXT PRIMARY KEY,
    book_id TEXT NOT NULL,
    version TEXT NOT NULL,
    body TEXT NOT NULL,
    in_force_from INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO price_books VALUES('10dacab984c9ace64ca6fdf9129dcae18a39265302b84eaf4aff6959c69e4185','nextoken','nextoken@2026-11-20','{"addresses":{"batch":"https://nextoken.biz/cookbook/04-batch-classification.html","embeddings":"https://nextoken.biz/cookbook/02-rag-chinese-support.html","keys":"https://app.nextoken.biz/keys.html","pricing":"https://nextoken.biz/pricing.html","privacy":"https://app.nextoken.biz/privacy.html","reference":"https://nextoken.biz/docs.html","release":"https://nextoken.biz/blog-may-2026-release.html","terms":"https://nextoken.biz/terms.html"},"auto_topup":{"from_plan":"pro","offered":true,"said":{"*":["page","pricing",null]}},"billing":{"labels_from":"the request''s metadata, over the key''s","said":{"*":["ours",null,null]}},"billing_tiers":{"notes":["Independent from loyalty tiers.","When a threshold is crossed, one dated credit entry per customer, month and threshold settles the difference."],"said":{"*":["page","pricing","Tiers reset on the 1st of each month."]},"tiers":[{"above":"0","id":"developer","percent":"0","saving":"none","title":"Developer","unlocks":"3 keys, 20 RPM","up_to":"500"},{"above":"500","id":"pro","percent":"1","saving":"Up to $50/mo","title":"Pro","unlocks":"200 RPM, analytics","up_to":"5000"},{"above":"5000","id":"business","percent":"2.5","saving":"Up to $1,250/mo","title":"Business","unlocks":"Custom routing, SLA","up_to":"50000"},{"above":"50000","id":"enterprise","percent":"negotiated","saving":"Up to 15%+","title":"Enterprise","unlocks":"Dedicated cluster, custom terms"}],"window":"month"},"book":{"api":"https://api.nextoken.biz/v1","default_model":"nex-pro","id":"nextoken","kind":"gateway","notes":["The page carries no date: in force at any time, read on 2026-11-20.","Listed prices are what is charged; nothing is computed from the markup column."],"retrieved":"2026-11-20","rounding":{"mode":"half_even","per":"request","places":9,"said":{"*":["ours",null,"one rounding per request, to 10^-9 USD"]}},"said":{"*":["page","pricing",null],"api":["docs","reference",null],"rounding":["ours",null,null],"scale":["ours",null,null]},"scale":9,"source":"https://nextoken.biz/pricing.html","title":"NexToken","unit":"USD","unit_kind":"currency"},"conflicts":[{"about":"markup","says":["NexToken charges provider cost + a small routing markup (page)","10 of 12 routed rows do not equal upstream + their markup (page)"],"taken":"the listed price; both readings are printed, neither is computed with"},{"about":"plan or spend tier","says":["plans list RPM, keys and features as a subscription (page)","the tier table says that monthly spend unlocks 3 keys, 20 RPM, 200 RPM, analytics, custom routing, SLA (page)"],"taken":"plan_source = subscription"},{"about":"what nex-auto picks from","says":["per request between nex-pro / nex-reasoning (page)","router classes: general, coder, reasoning, long-context (docs)"],"taken":"nex-pro and nex-reasoning"},{"about":"cached input of Anthropic, DeepSeek, Gemini","says":["10% off, 10% off, 25% off (docs)","30-90% reduction on cached input tokens (docs, the same page)"],"taken":"billed at 0.10, 0.10 and 0.25, which is also what those vendors do"},{"about":"key spelling","says":["nxt_sk_ and nxt_sub_ (docs)","nxt-sk-prod-, nxt-sk-test-, nxt-sk-dev-, nxt-sk-sub- (docs, dashboard)"],"taken":"nxt_sk_ and nxt_sub_; redaction knows both"}],"defaults":{"per":1000000,"rates":{"request":"not_applicable"},"said":{"*":["page","pricing","Prices per 1,000,000 tokens (1M tokens). Input / Output priced separately."]}},"format":1,"keys":{"rotation_overlap_hours":24,"said":{"*":["docs","keys",null]},"spelling":"nxt_sk_","sub_key_spelling":"nxt_sub_","sub_keys_may_widen":false},"limits":{"batch_items":50000,"embedding_tokens":512,"said":{"*":["docs","batch",null],"embedding_tokens":["page","pricing",null]}},"loyalty":{"basis":"lifetime_topup","example":{"balance":"1080","level":"gold","topup":"1000"},"levels":[{"at_least":"unpublished","bonus_percent":"8","id":"gold","title":"Gold"}],"notes":["Other levels and every threshold are unpublished: operator''s data."],"said":{"*":["page","pricing","Tiers do not reset, they track the total lifetime top-up. Bonuses do not stack with promotional codes."]}},"models":[{"aliases":["nex-smart","nex-coder"],"best_for":"The default Nex model. Chat, code, content, summarisation. Self-hosted Singapore GPU. Strong Chinese + English.","capabilities":["stream","tools"],"context":32000,"id":"nex-pro","kind":"chat","periods":[{"rates":{"input":["number","0.10",1000000,"token",null],"output":["number","0.40",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"nextoken","said":{"*":["page","pricing",null],"tokenizer":["docs","batch","Qwen2.5-7B"]},"tags":["native"],"tokenizer":{"method":"vendor-declared","name":"qwen2.5","source":"nex-pro is described as Qwen2.5-7B, https://nextoken.biz/cookbook/04-batch-classification.html"}},{"best_for":"Network picks per request between nex-pro / nex-reasoning; the target is in nex.smart_router.","capabilities":["stream","tools"],"id":"nex-auto","kind":"chat","notes":["Charged its own flat row whatever it picks [reading]; its context is not stated."],"periods":[{"rates":{"input":["number","0.30",1000000,"token",null],"output":["number","1.20",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"nextoken","router":{"metadata":"nex.smart_router","targets":["nex-pro","nex-reasoning"]},"said":{"*":["page","pricing",null],"router":["page","pricing",null],"tokenizer":["reading",null,null]},"tags":["native","smart"],"tokenizer":{"error":"unpublished","method":"estimated","name":"o200k_base","source":"tokenizer unpublished"}},{"best_for":"Multi-step math, logic, structured analysis. No tool calling.","capabilities":["stream"],"context":128000,"id":"nex-reasoning","kind":"chat","periods":[{"rates":{"input":["number","1.20",1000000,"token",null],"output":["number","4.80",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"nextoken","said":{"*":["page","pricing",null],"tokenizer":["reading",null,null]},"tags":["native","reasoning"],"tokenizer":{"error":"unpublished","method":"estimated","name":"o200k_base","source":"tokenizer unpublished"}},{"best_for":"Chinese-strong embeddings, 1024-dim. Self-hosted.","capabilities":["embeddings"],"context":512,"dimensions":1024,"id":"nex-embed-zh","kind":"embedding","periods":[{"rates":{"input":["number","0.01",1000000,"token",null],"output":["not_applicable",null,1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"nextoken","said":{"*":["page","pricing",null],"tokenizer":["reading","embeddings","the vendor names BGE-large-zh-v1.5, whose vocabulary is not carried"]},"tags":["native"],"tokenizer":{"error":"unpublished","method":"estimated","name":"o200k_base","source":"BGE-large-zh-v1.5 (https://nextoken.biz/cookbook/02-rag-chinese-support.html), counted as o200k"}},{"capabilities":["stream","vision","tools"],"context":128000,"id":"gpt-4o","markup":{"stated":"0.08"},"periods":[{"rates":{"cached_input":["number","1.3",1000000,"token","input x 0.50"],"input":["number","2.60",1000000,"token",null],"output":["number","10.40",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"openai","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"openai","model":"gpt-4o"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","vision","tools"],"context":128000,"id":"gpt-4o-mini","markup":{"stated":"0.08"},"periods":[{"rates":{"cached_input":["number","0.08",1000000,"token","input x 0.50"],"input":["number","0.16",1000000,"token",null],"output":["number","0.65",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"openai","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"openai","model":"gpt-4o-mini"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["tools"],"context":200000,"id":"o1","markup":{"stated":"0.08"},"periods":[{"rates":{"cached_input":["number","8.1",1000000,"token","input x 0.50"],"input":["number","16.20",1000000,"token",null],"output":["number","64.80",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"openai","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"openai","model":"o1"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed","reasoning"]},{"capabilities":["stream","tools"],"context":200000,"id":"o3-mini","markup":{"stated":"0.08"},"periods":[{"rates":{"cached_input":["number","0.565",1000000,"token","input x 0.50"],"input":["number","1.13",1000000,"token",null],"output":["number","4.40",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"openai","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"openai","model":"o3-mini"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed","reasoning"]},{"capabilities":["stream","vision","tools"],"context":200000,"id":"claude-opus-4","markup":{"stated":"0.07"},"periods":[{"rates":{"cached_input":["number","1.5",1000000,"token","input x 0.10"],"input":["number","15.00",1000000,"token",null],"output":["number","75.00",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"anthropic","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"anthropic","model":"claude-opus-4-0"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","vision","tools"],"context":200000,"id":"claude-sonnet-4","markup":{"stated":"0.07"},"periods":[{"rates":{"cached_input":["number","0.3",1000000,"token","input x 0.10"],"input":["number","3.00",1000000,"token",null],"output":["number","15.00",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"anthropic","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"anthropic","model":"claude-sonnet-4-0"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","vision","tools"],"context":200000,"id":"claude-haiku-4","markup":{"stated":"0.07"},"periods":[{"rates":{"cached_input":["number","0.08",1000000,"token","input x 0.10"],"input":["number","0.80",1000000,"token",null],"output":["number","4.00",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"anthropic","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"anthropic","model":"claude-3-5-haiku"},"said":{"*":["page","pricing",null],"reference":["reading",null,"no vendor model has this id; its prices are those of Claude 3.5 Haiku"]},"tags":["routed"]},{"capabilities":["stream","vision","tools"],"context":1000000,"id":"gemini-2.5-pro","markup":{"stated":"0.08"},"notes":["Upstream charges more above 200,000 input tokens; this page prints one price."],"periods":[{"rates":{"cached_input":["number","0.3125",1000000,"token","input x 0.25"],"input":["number","1.25",1000000,"token",null],"output":["number","10.00",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"google","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"google","model":"gemini-2.5-pro"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","vision","tools"],"context":1000000,"id":"gemini-2.5-flash","markup":{"stated":"0.08"},"notes":["Listed below today''s upstream list price."],"periods":[{"rates":{"cached_input":["number","0.01875",1000000,"token","input x 0.25"],"input":["number","0.075",1000000,"token",null],"output":["number","0.30",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"google","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"google","model":"gemini-2.5-flash"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","tools"],"context":128000,"id":"llama-3.3-70b","markup":{"stated":"0.10"},"periods":[{"rates":{"input":["number","0.59",1000000,"token",null],"output":["number","0.79",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"meta","reference":{"book":"groq","model":"llama-3.3-70b-versatile"},"said":{"*":["page","pricing",null],"provider":["reading",null,null],"reference":["reading",null,"whose upstream is unpublished; Groq''s list price is the same"]},"tags":["routed"]},{"capabilities":["stream","tools"],"context":64000,"id":"deepseek-v3","markup":{"stated":"0.10"},"periods":[{"rates":{"cached_input":["number","0.027",1000000,"token","input x 0.10"],"input":["number","0.27",1000000,"token",null],"output":["number","1.10",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"deepseek","rates_said":{"cached_input":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]},"reference":{"book":"deepseek","model":"deepseek-chat"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]},{"capabilities":["stream","tools"],"context":128000,"id":"mistral-large-2","markup":{"stated":"0.10"},"periods":[{"rates":{"input":["number","2.00",1000000,"token",null],"output":["number","6.00",1000000,"token",null],"request":["not_applicable",null,1,"request",null]}}],"provider":"mistral","reference":{"book":"mistral","model":"mistral-large"},"said":{"*":["page","pricing",null],"reference":["reading",null,null]},"tags":["routed"]}],"multipliers":{"batch":"0.70","cached":"unpublished","cached_by_provider":{"anthropic":"0.10","deepseek":"0.10","google":"0.25","openai":"0.50","said":{"*":["reading","release","''50% off'', ''10% off'', ''10% off'', ''25% off'' the cached portion, read as the share that is billed"]}},"said":{"*":["page","pricing",null],"batch":["page","pricing","batch endpoint 30% off"],"cached":["page","pricing","upstream prompt-cache savings are passed through; no number"],"semantic":["page","pricing","Near-duplicate prompts bill at 5% of normal retail"]},"semantic":"0.05"},"plans":[{"credits":{"amount":"5","every":"once","unit":"USD"},"features":{"analytics":"basic","analytics_export":false,"auto_topup":false,"cost_labels":false,"custom_routing":false,"dedicated_cluster":false,"fallback":false,"multi_wallet":false,"per_key_budgets":false,"po_invoicing":false,"smart_routing":true,"spend_alerts":"email_only","streaming":true},"fee":"unpublished","id":"developer","limits":{"context":128000,"keys":3,"retention_days":7,"rpm":20,"sub_keys":0},"said":{"*":["page","pricing",null],"fee":["page","pricing","not printed, operator''s data"]},"service":{"response_time":"Best effort","sla":"none","support":"Community"},"title":"Developer"},{"credits":{"amount":"10","every":"month","unit":"USD"},"features":{"analytics":"standard","analytics_export":false,"auto_topup":true,"cost_labels":false,"custom_routing":false,"dedicated_cluster":false,"fallback":true,"multi_wallet":false,"per_key_budgets":true,"po_invoicing":false,"smart_routing":true,"spend_alerts":true,"streaming":true},"fee":"unpublished","id":"pro","limits":{"context":200000,"keys":20,"retention_days":30,"rpm":200,"sub_keys":3},"said":{"*":["page","pricing",null],"fee":["page","pricing","not printed, operator''s data"]},"service":{"response_time":"<48h","sla":"none","support":"Priority email"},"title":"Pro"},{"credits":{"amount":"30","every":"month","unit":"USD"},"features":{"analytics":"advanced","analytics_export":false,"auto_topup":true,"cost_labels":true,"custom_routing":true,"dedicated_cluster":false,"fallback":true,"multi_wallet":true,"per_key_budgets":true,"po_invoicing":false,"smart_routing":true,"spend_alerts":true,"streaming":true},"fee":"unpublished","id":"business","limits":{"context":1000000,"keys":"unlimited","retention_days":90,"rpm":1000,"sub_keys":10},"notes":["The page''s support row has three entries for four plans; ''Dedicated Slack'' stands third."],"said":{"*":["page","pricing",null],"fee":["page","pricing","not printed, operator''s data"]},"service":{"response_time":"<8h","sla":"99.9%","support":"Dedicated Slack"},"title":"Business"},{"credits":{"amount":"custom","every":"month","unit":"USD"},"features":{"analytics":"advanced","analytics_export":true,"auto_topup":true,"cost_labels":true,"custom_routing":true,"dedicated_cluster":true,"fallback":true,"more_context":true,"multi_wallet":true,"per_key_budgets":true,"po_invoicing":true,"smart_routing":true,"spend_alerts":true,"streaming":true},"fee":"custom","id":"enterprise","limits":{"context":1000000,"keys":"unlimited","retention_days":365,"rpm":"custom","sub_keys":"unlimited"},"notes":["Context is printed as ''Up to 1M+'': more than 1,000,000 is the operator''s data for each customer."],"said":{"*":["page","pricing",null]},"service":{"response_time":"<2h","sla":"99.99%","support":"unpublished"},"title":"Enterprise"}],"refusals":{"context_length_exceeded":{"code":"context_length_exceeded","said":{"*":["ours",null,null]},"status":400},"ip_not_allowed":{"code":"ip_not_allowed","said":{"*":["docs","keys",null]},"status":403},"plan_limit":{"code":"plan_limit","names":"the plan that has the feature","said":{"*":["ours",null,null]},"status":403},"unsupported_capability":{"code":"unsupported_capability","said":{"*":["ours",null,null]},"status":400}},"routing":{"fields":["target_model","reason","score"],"never_tools_to":"nex-reasoning","said":{"*":["docs","release",null],"never_tools_to":["page","pricing","No tool calling"]},"target_in":"nex.smart_router"},"rules":{"auto_route_price":{"other":["target_row"],"said":{"*":["reading",null,"nex-auto''s own flat row is the only published number"]},"value":"own_row"},"batch_with_cached":{"other":[false],"said":{"*":["reading",null,"30 % off the per-call retail rate, whatever that is"]},"value":true},"batch_without_price":{"said":{"*":["reading",null,null]},"value":"normal_rate"},"context_check":{"said":{"*":["reading",null,null]},"value":"input_plus_requested_output"},"included_credits_expire":{"other":["never"],"said":{"*":["reading",null,null]},"value":"month_end"},"input_includes_cached":{"other":[false],"said":{"*":["reading",null,"usage is OpenAI-shaped, cached tokens are part of the input"]},"value":true},"loyalty_with_promo":{"said":{"*":["reading",null,"bonuses do not stack with promotional codes; the code replaces the bonus of that top-up"]},"value":"replaced"},"markup_included":{"other":["yes","no"],"said":{"*":["reading",null,"''provider cost + a small routing markup'', yet 10 of 12 rows contradict their own markup column; the listed price is charged"]},"value":"unknown"},"million":{"other":[1048576],"said":{"*":["reading",null,"1M = 1,000,000"]},"value":1000000},"month_zone":{"said":{"*":["reading",null,null]},"value":"UTC"},"output_includes_reasoning":{"other":[false],"said":{"*":["reading",null,"usage is OpenAI-shaped, reasoning tokens are part of the output"]},"value":true},"plan_source":{"other":["spend_tier"],"said":{"*":["reading",null,"the plan table is a subscription, the tier table says that spend unlocks the same limits"]},"value":"subscription"},"raw_records":{"other":["gated"],"said":{"*":["reading",null,"raw usage records are readable on every plan within retention; only the analytics summary as a file is gated"]},"value":"every_plan"},"semantic_never":{"said":{"*":["reading",null,null]},"value":["batch","embedding"]},"semantic_with_cached":{"other":["both"],"said":{"*":["reading",null,"a semantic hit is 5 % of the plain rates, its cached part too"]},"value":"either"},"stacking_order":{"said":{"*":["reading",null,"cached or semantic multiplier, then batch, then billing tier; one rounding"]},"value":["cached","semantic","batch","billing_tier"]},"tax_on_usage":{"other":["same_as_fee"],"said":{"*":["reading",null,"GST is stated for subscription fees; for usage credits it is unclear"]},"value":"none"},"thousand":{"other":[1024],"said":{"*":["reading",null,"32k = 32,000"]},"value":1000},"tier_above_last":{"other":["refuse"],"said":{"*":["reading",null,"negotiated above $50,000; until the operator sets it, the last published tier"]},"value":"last_published"},"tier_basis":{"other":["marginal"],"said":{"*":["reading",null,"the maxima $50 = 1 % of $5,000 and $1,250 = 2.5 % of $50,000 fit only this"]},"value":"whole_month"},"tier_effect":{"other":["points_of_markup","percent_of_markup"],"said":{"*":["reading",null,"the same maxima; the column is titled Markup Rate"]},"value":"percent_of_charge"},"tier_measure":{"said":{"*":["reading",null,"the calendar month''s gross usage charges before the tier cut, whatever paid for them"]},"value":"gross_before_cut"},"tier_scope":{"said":{"*":["reading",null,"no row is excepted"]},"value":"all"}},"semantic_cache":{"never":["batch","embeddings"],"offered":true,"said":{"*":["ours",null,null],"never":["reading",null,null],"offered":["page","pricing",null]},"same":["customer","model","system_prompt","tools","response_format","sampling","numbers","identifiers"],"threshold":"0.95"},"sha256":"fdf2f2a3ca8481064506414215324dcf54525c305f89b8fb4afed853f88ec43b","surface":{"endpoints":["POST /v1/chat/completions","POST /v1/embeddings","POST /v1/tokenize","POST /v1/estimate-cost","POST /v1/batches"],"said":{"*":["docs","reference",null]}},"tax":{"invoice":"A valid GST invoice is issued for every transaction, with the customer''s GST number.","rates":[{"country":"SG","name":"GST","on":"subscription_fee","percent":"9"},{"country":"SG","name":"GST","on":"usage_credits","percent":"0","said":{"*":["reading",null,"unclear on the page; the rate is data"]}}],"said":{"*":["page","pricing",null]},"seller":"Cete Ventures Pte. Ltd.","seller_id":"UEN 202421160G"},"topup":{"burn":"fifo","currency":"USD","default_pack":"unpublished","maximum":"unpublished","methods":[{"id":"card","offered":true,"said":{"*":["docs","privacy",null]},"words":"Stripe"},{"id":"usdt","manual":true,"offered":true,"said":{"*":["docs","privacy",null]},"words":"only the on-chain transaction hash is kept"}],"minimum":"unpublished","preview":["credits","rate","subtotal","tax","fee","bonus","total"],"said":{"*":["reading",null,null],"burn":["ours",null,null],"preview":["ours",null,null]}}}',0,1795723094473966);
CREATE TABLE idempotency (
    customer_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    owner TEXT NOT NULL,
    status INTEGER,
    response BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, key_id, method, path, idempotency_key)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','key_ea50wffgh0hkj8651wc5wc1s','POST','/v1/keys','nexctl-5d2ef68ebd2d634bed9a8f1abd1ae87c',X'4ee2e1595745e7599e36d9daa94f9d6c12def0603104ad3bc07d1ad30eff8699','7c2ca02ab0996f50145ecce2',200,X'7b226964223a226b65795f653773636e7965727872636d72733835667a6e3473657630222c226e616d65223a226369222c22707265666978223a226e78745f736b5f6176363676222c227374617465223a22616374697665222c22637265617465645f6174223a22323032362d31312d32365431393a35383a31352e3539313731315a222c226b696e64223a226b6579222c22657870697265735f6174223a6e756c6c2c22627564676574223a7b22616d6f756e74223a223230222c2263757272656e6379223a22555344222c2277696e646f77223a226d6f6e7468222c226964223a226275645f63793239387a6d3577366d30626677357630726b6e703534222c227370656e74223a2230222c2268656c64223a2230222c2272656d61696e696e67223a223230222c227265736574735f6174223a22323032362d31322d30315430303a30303a30305a227d2c226d6f64656c73223a6e756c6c2c2269705f616c6c6f776c697374223a6e756c6c2c2272706d223a6e756c6c2c22706172656e745f6964223a6e756c6c2c226c6162656c73223a7b7d2c226c6173745f757365645f6174223a6e756c6c2c227265766f6b65645f6174223a6e756c6c2c2270726576696f75735f707265666978223a6e756c6c2c2270726576696f75735f657870697265735f6174223a6e756c6c2c22736563726574223a6e756c6c2c2263726561746564223a747275652c227265706c61796564223a747275657d',1795723095591321);
INSERT INTO idempotency VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','key_ea50wffgh0hkj8651wc5wc1s','POST','/v1/keys','nexctl-b166ed14aa557053359ed41ae9c61df4',X'c1a9658a6cea3856a82fefbfd885bd2cb1aedda72628ffe16214c608aef30efb','3564ee216b0a341ca4043ab4',200,X'7b226964223a226b65795f34667233397a6536747a657a6661666d6773377279713772222c226e616d65223a22617070222c22707265666978223a226e78745f736b5f386171396d222c227374617465223a22616374697665222c22637265617465645f6174223a22323032362d31312d32365431393a35383a31362e3432383232365a222c226b696e64223a226b6579222c22657870697265735f6174223a6e756c6c2c22627564676574223a6e756c6c2c226d6f64656c73223a6e756c6c2c2269705f616c6c6f776c697374223a6e756c6c2c2272706d223a33302c22706172656e745f6964223a6e756c6c2c226c6162656c73223a7b7d2c226c6173745f757365645f6174223a6e756c6c2c227265766f6b65645f6174223a6e756c6c2c2270726576696f75735f707265666978223a6e756c6c2c2270726576696f75735f657870697265735f6174223a6e756c6c2c22736563726574223a6e756c6c2c2263726561746564223a747275652c227265706c61796564223a747275657d',1795723096427655);
INSERT INTO idempotency VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','key_ea50wffgh0hkj8651wc5wc1s','POST','/v1/keys/key_4fr39ze6tzezfafmgs7ryq7r/revoke','nexctl-c8b19d8c3578c9b8852e50cd7897b591',X'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855','44cbaa4d98ab0d19fb543a25',200,X'7b226964223a226b65795f34667233397a6536747a657a6661666d6773377279713772222c226e616d65223a22617070222c22707265666978223a226e78745f736b5f386171396d222c227374617465223a227265766f6b6564222c22637265617465645f6174223a22323032362d31312d32365431393a35383a31362e3432383232365a222c226b696e64223a226b6579222c22657870697265735f6174223a6e756c6c2c22627564676574223a6e756c6c2c226d6f64656c73223a6e756c6c2c2269705f616c6c6f776c697374223a6e756c6c2c2272706d223a33302c22706172656e745f6964223a6e756c6c2c226c6162656c73223a7b7d2c226c6173745f757365645f6174223a6e756c6c2c227265766f6b65645f6174223a22323032362d31312d32365431393a35383a32352e3239333236335a222c2270726576696f75735f707265666978223a6e756c6c2c2270726576696f75735f657870697265735f6174223a6e756c6c7d',1795723105292900);
INSERT INTO idempotency VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','key_ea50wffgh0hkj8651wc5wc1s','POST','/v1/wallet/top-ups','nexctl-5d22efcf2f9cdc39a74c097e5cfce615',X'47be7560161e0e9144baf8b157e6db3a72fea72c7dcb88ad440518162a8f810a','6862f506680dc72566cab49e',200,X'7b226964223a226f72645f7432306238306b63337633636e3834727a74666230653779222c227374617465223a226f70656e6564222c226d6574686f64223a2273616e64626f78222c22616d6f756e74223a223530222c2263757272656e6379223a22555344222c2263726564697473223a223530222c226372656469745f756e6974223a22555344222c2272617465223a2231222c22737562746f74616c223a223530222c22746178223a2230222c22666565223a2230222c22626f6e7573223a2230222c22746f74616c223a223530222c227061636b223a6e756c6c2c2270726f6d6f5f636f6465223a6e756c6c2c227061795f746f223a6e756c6c2c22636865636b6f75745f75726c223a6e756c6c2c22637265617465645f6174223a22323032362d31312d32365431393a35383a31372e3330323431385a222c22657870697265735f6174223a22323032362d31322d30335431393a35383a31372e3330323331365a222c2263726564697465645f6174223a6e756c6c2c22726566756e646564223a6e756c6c2c22726561736f6e223a6e756c6c2c2273616e64626f78223a747275652c227265706c61796564223a747275657d',1795723097302223);
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    wallet TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('created', 'opened', 'submitted', 'under_review',
        'approved', 'paid', 'credited', 'rejected', 'refunded', 'expired')),
    method TEXT NOT NULL,
    provider TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    tax INTEGER NOT NULL CHECK (tax >= 0),
    fee INTEGER NOT NULL CHECK (fee >= 0),
    total INTEGER NOT NULL CHECK (total >= 0),
    credits INTEGER NOT NULL CHECK (credits > 0),
    bonus INTEGER NOT NULL CHECK (bonus >= 0),
    details TEXT NOT NULL,
    sandbox INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    checkout_url TEXT,
    payment_id TEXT,
    transaction_ref TEXT,
    sender TEXT,
    submitted_by TEXT,
    submitted_at INTEGER,
    decided_by TEXT,
    decided_at INTEGER,
    reason TEXT,
    note TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    paid_at INTEGER,
    credited_at INTEGER,
    paid_lot INTEGER,
    bonus_lot INTEGER,
    refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= total),
    disputed INTEGER NOT NULL DEFAULT 0 CHECK (disputed >= 0)
) STRICT;
INSERT INTO orders VALUES('ord_t20b80kc3v3cn84rztfb0e7y','cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','credited','sandbox','sandbox','USD',50000000000,50000000000,0,0,50000000000,50000000000,0,'{"rate":"1","pack":null,"tax":"GST 0 %"}',1,NULL,'pay_ord_t20b80kc3v3cn84rztfb0e7y',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795723097302418,1796327897302316,1795723103287262,1795723103287624,2,NULL,0,0);
CREATE TABLE payment_events (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id TEXT,
    payment_id TEXT,
    amount INTEGER,
    currency TEXT,
    outcome TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (provider, event_id)
) STRICT, WITHOUT ROWID;
INSERT INTO payment_events VALUES('sandbox','evt_9fead9338b9c8a622ad6e342','payment.succeeded','ord_t20b80kc3v3cn84rztfb0e7y','pay_ord_t20b80kc3v3cn84rztfb0e7y',50000000000,'USD','credited',1795723103287672);
CREATE TABLE codes (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'redeemed', 'void')),
    note TEXT,
    created_by TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    credits_expire_at INTEGER,
    redeemed_by TEXT,
    redeemed_at INTEGER,
    grant_id TEXT
) STRICT;
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    wallet TEXT NOT NULL,
    lot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    period TEXT,
    note TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (wallet, lot)
) STRICT, WITHOUT ROWID;
INSERT INTO grants VALUES('grt_b6sgqx3sz1ztvhr9mze0p4gc','cus_ytwzwrcck9wq4jesrfw4qy9g',1,'included','2026-11','included in the plan business',1795723094475535);
CREATE TABLE wallets (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    scale INTEGER NOT NULL CHECK (scale BETWEEN 0 AND 18),
    state TEXT NOT NULL CHECK (state IN ('active', 'frozen')),
    balance INTEGER NOT NULL,
    held INTEGER NOT NULL,
    debt INTEGER NOT NULL,
    lifetime INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    mac BLOB NOT NULL,
    last_at INTEGER NOT NULL,
    next_expiry INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK (0 <= held AND held <= balance AND 0 <= debt AND 0 <= seq)
) STRICT;
INSERT INTO wallets VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','main','USD',9,'active',79999990100,5000,0,50000000000,5,X'f0448872680f2df8754e336285f28c8c059269412079ebe2b635a0ffc4fbe47e',X'015d99e36854168f7bd34516af1157ff773f2b9ee1943b66d9c8bb13485e25e9',1795723104867513,1796083200000000,1795723094474963);
CREATE TABLE lots (
    wallet TEXT NOT NULL,
    lot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    remaining INTEGER NOT NULL CHECK (remaining >= 0 AND remaining <= amount),
    expires_at INTEGER NOT NULL,
    order_id TEXT,
    sandbox INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, lot)
) STRICT, WITHOUT ROWID;
INSERT INTO lots VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',1,'included',10,30000000000,29999990100,1796083200000000,NULL,0,1795723094475309);
INSERT INTO lots VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',2,'paid',50,50000000000,50000000000,9223372036854775807,'ord_t20b80kc3v3cn84rztfb0e7y',1,1795723103287394);
CREATE TABLE entries (
    wallet TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    balance INTEGER NOT NULL CHECK (balance >= 0),
    reference TEXT,
    note TEXT,
    reverses INTEGER,
    hash BLOB NOT NULL,
    PRIMARY KEY (wallet, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO entries VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',1,1795723094475357,'grant',30000000000,30000000000,'grt_b6sgqx3sz1ztvhr9mze0p4gc','included in the plan business',NULL,X'a4d17024e480852fb4db787603a156c68292f8eae49458914c4e00f5da5d41b8');
INSERT INTO entries VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',2,1795723103287444,'topup',50000000000,80000000000,'ord_t20b80kc3v3cn84rztfb0e7y',NULL,NULL,X'05e03ca7f60bb4d38745d6cce66034e23f9f0ced9ed81566e813d7e404c2be27');
INSERT INTO entries VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',3,1795723103862961,'usage',-3300,79999996700,'nexctl-da388aa64a640b217187ae6b',NULL,NULL,X'748ebdbeaca99d554b1050fd47437ecfe941c06b3e3c7e3824a4d4e6dcc232fe');
INSERT INTO entries VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',4,1795723104327837,'usage',-3300,79999993400,'nexctl-10d0ffbb20f8d32fa7278608',NULL,NULL,X'033d7cba71720049fa8ee4fec1b44ce2f37cd7dabaa74d6e098f4d2590d833b8');
INSERT INTO entries VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',5,1795723104867513,'usage',-3300,79999990100,'nexctl-b80b3b82a5ad41f6e5632fbd',NULL,NULL,X'f0448872680f2df8754e336285f28c8c059269412079ebe2b635a0ffc4fbe47e');
CREATE TABLE postings (
    wallet TEXT NOT NULL,
    seq INTEGER NOT NULL,
    line INTEGER NOT NULL,
    account TEXT NOT NULL,
    lot INTEGER,
    amount INTEGER NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (wallet, seq, line)
) STRICT, WITHOUT ROWID;
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',1,0,'wallet',1,30000000000);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',1,1,'grants',NULL,-30000000000);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',2,0,'wallet',2,50000000000);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',2,1,'payments:sandbox',NULL,-50000000000);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',3,0,'wallet',1,-3300);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',3,1,'usage',NULL,3300);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',4,0,'wallet',1,-3300);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',4,1,'usage',NULL,3300);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',5,0,'wallet',1,-3300);
INSERT INTO postings VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',5,1,'usage',NULL,3300);
CREATE TABLE usage_records (
    wallet TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hold INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    customer_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    key_id TEXT,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    charge INTEGER NOT NULL CHECK (charge >= 0),
    snapshot TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (wallet, seq)
) STRICT;
INSERT INTO usage_records VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',3,1,1795723103831135,'cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-da388aa64a640b217187ae6b','key_ea50wffgh0hkj8651wc5wc1s','nex-pro','ok',3300,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504','{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management","provider":"echo","counted_by":"upstream","latency_ms":30,"ttft_ms":26,"usage":{"input":13,"output":5,"request":1}}');
INSERT INTO usage_records VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',4,2,1795723104303839,'cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-10d0ffbb20f8d32fa7278608','key_ea50wffgh0hkj8651wc5wc1s','nex-pro','ok',3300,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504','{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management","provider":"echo","counted_by":"upstream","latency_ms":24,"ttft_ms":24,"usage":{"input":13,"output":5,"request":1}}');
INSERT INTO usage_records VALUES('cus_ytwzwrcck9wq4jesrfw4qy9g',5,3,1795723104836449,'cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-b80b3b82a5ad41f6e5632fbd','key_ea50wffgh0hkj8651wc5wc1s','nex-pro','ok',3300,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504','{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management","provider":"echo","counted_by":"upstream","latency_ms":31,"ttft_ms":30,"usage":{"input":13,"output":5,"request":1}}');
CREATE TABLE price_snapshots (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO price_snapshots VALUES('e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504','{"at":"2026-11-26","batch":false,"forms":[[{"from":0,"rates":{"input":{"factor":"1","per":1000000,"price":"0.10"},"output":{"factor":"1","per":1000000,"price":"0.40"}}}]],"model":"nex-pro","own_key":false,"price_book":"nextoken@2026-11-20","rounding":{"mode":"half_even","per":"request","places":9},"scale":9,"semantic_hit":false,"sha256":"fdf2f2a3ca8481064506414215324dcf54525c305f89b8fb4afed853f88ec43b","tier":null,"unit":"USD"}');
CREATE TABLE anchors (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    wallet TEXT NOT NULL,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
INSERT INTO anchors VALUES(1,1795723364134585,'cus_ytwzwrcck9wq4jesrfw4qy9g',5,X'f0448872680f2df8754e336285f28c8c059269412079ebe2b635a0ffc4fbe47e',X'015d99e36854168f7bd34516af1157ff773f2b9ee1943b66d9c8bb13485e25e9');
CREATE TABLE owners (
    id TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;
CREATE TABLE holds (
    id INTEGER PRIMARY KEY,
    customer_id TEXT NOT NULL,
    wallet TEXT NOT NULL,
    request_id TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    key_id TEXT,
    parent_id TEXT,
    model TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('reserved', 'dispatched', 'unknown', 'settled', 'released', 'retired')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    layers TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    snapshot TEXT,
    floor INTEGER NOT NULL CHECK (floor >= 0),
    facts TEXT NOT NULL,
    rule TEXT NOT NULL CHECK (rule IN ('floor', 'held', 'operator')),
    deadline INTEGER,
    closed_at INTEGER,
    seq INTEGER,
    why TEXT,
    CHECK ((state = 'unknown') <= (deadline IS NOT NULL)),
    CHECK ((state = 'settled') = (seq IS NOT NULL))
) STRICT;
INSERT INTO holds VALUES(1,'cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-da388aa64a640b217187ae6b',X'e1c851b66dce05ba2ece695e06f22da064ca96bae7232842965781a1ff120271','key_ea50wffgh0hkj8651wc5wc1s',NULL,'nex-pro','settled',12798400,'[]','edfae28264bb1bc20f776a31',1795723103831135,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504',1300,'{"usage":{"floor":{"input":13,"request":1},"held":{"input":36,"output":31987,"request":1}},"record":{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management"}}','floor',1795809503831135,1795723103862961,3,NULL);
INSERT INTO holds VALUES(2,'cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-10d0ffbb20f8d32fa7278608',X'89be33e489aff91daae31a4415424edd505e87495b5c611488ce899a265acbcc','key_ea50wffgh0hkj8651wc5wc1s',NULL,'nex-pro','settled',12798400,'[]','8a3363fb7d068561f1519cec',1795723104303839,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504',1300,'{"usage":{"floor":{"input":13,"request":1},"held":{"input":36,"output":31987,"request":1}},"record":{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management"}}','floor',1795809504303839,1795723104327837,4,NULL);
INSERT INTO holds VALUES(3,'cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','nexctl-b80b3b82a5ad41f6e5632fbd',X'803cf1f8de0e2e2c0499266013a21d7bbdcef982c13b2ba7eea07083626a1750','key_ea50wffgh0hkj8651wc5wc1s',NULL,'nex-pro','settled',12798400,'[]','195b4f9d07ad6cec19c91007',1795723104836449,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504',1300,'{"usage":{"floor":{"input":13,"request":1},"held":{"input":36,"output":31987,"request":1}},"record":{"endpoint":"/v1/chat/completions","model_requested":"nex-pro","key_name":"management"}}','floor',1795809504836449,1795723104867513,5,NULL);
INSERT INTO holds VALUES(4,'cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','given-back',X'6868686868686868686868686868686868686868686868686868686868686868',NULL,NULL,'nex-pro','released',5000,'[]','6782e238093d078311b62aff',1795723377324467,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504',0,'{"usage":{"floor":{"request":1},"held":{"request":1}},"record":{}}','floor',1795809777324467,1795723377330046,NULL,'upstream failed');
INSERT INTO holds VALUES(5,'cus_ytwzwrcck9wq4jesrfw4qy9g','cus_ytwzwrcck9wq4jesrfw4qy9g','given-back',X'6868686868686868686868686868686868686868686868686868686868686868',NULL,NULL,'nex-pro','unknown',5000,'[]','6782e238093d078311b62aff',1795723377331405,'e5beaae4c09b98223ffeafbf5938251740748fddb2716d2578b57498e354d504',0,'{"usage":{"floor":{"request":1},"held":{"request":1}},"record":{}}','floor',1795809777508872,NULL,NULL,'its owner is gone');
CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    rank INTEGER NOT NULL,
    name TEXT NOT NULL,
    span TEXT NOT NULL CHECK (span IN ('month', 'lifetime', '5h', '1d', '7d')),
    unit TEXT NOT NULL,
    meters TEXT,
    models TEXT,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    hard INTEGER NOT NULL CHECK (hard IN (0, 1)),
    alert_at TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO budgets VALUES('bud_cy298zm5w6m0bfw5v0rknp54','cus_ytwzwrcck9wq4jesrfw4qy9g','key','key_e7scnyerxrcmrs85fzn4sev0',0,'key-month','month','money',NULL,NULL,20000000000,1,'[]',1,1795723095592277);
CREATE TABLE buckets (
    budget TEXT NOT NULL,
    start INTEGER NOT NULL,
    opening INTEGER NOT NULL CHECK (opening >= 0),
    spent INTEGER NOT NULL CHECK (spent >= 0),
    held INTEGER NOT NULL CHECK (held >= 0),
    PRIMARY KEY (budget, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE rates (
    scope TEXT PRIMARY KEY,
    slots TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO rates VALUES('customer:cus_ytwzwrcck9wq4jesrfw4qy9g','[[1795723103,1],[1795723104,2]]');
CREATE UNIQUE INDEX keys_name ON keys (customer_id, name) WHERE state <> 'revoked';
CREATE INDEX keys_parent ON keys (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX key_secrets_key ON key_secrets (key_id);
CREATE UNIQUE INDEX operators_name ON operators (name) WHERE state <> 'revoked';
CREATE INDEX orders_customer ON orders (customer_id, created_at);
CREATE UNIQUE INDEX orders_payment ON orders (provider, payment_id) WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX orders_transaction ON orders (method, transaction_ref)
    WHERE transaction_ref IS NOT NULL AND state <> 'rejected';
CREATE INDEX payment_events_order ON payment_events (order_id);
CREATE UNIQUE INDEX grants_period ON grants (wallet, kind, period) WHERE period IS NOT NULL;
CREATE INDEX wallets_customer ON wallets (customer_id);
CREATE INDEX lots_burn ON lots (wallet, priority, expires_at, lot) WHERE remaining > 0;
CREATE INDEX anchors_wallet ON anchors (wallet, seq);
CREATE UNIQUE INDEX holds_request ON holds (customer_id, request_id) WHERE state <> 'released';
CREATE INDEX holds_open ON holds (customer_id)
    WHERE state IN ('reserved', 'dispatched', 'unknown');
CREATE UNIQUE INDEX budgets_scope ON budgets (scope_id, scope, name, span) WHERE active = 1;
CREATE INDEX budgets_customer ON budgets (customer_id);
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries WHEN EXISTS (SELECT 1 FROM entries WHERE wallet = NEW.wallet AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER postings_no_delete BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER postings_no_update BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER postings_no_replace BEFORE INSERT ON postings WHEN EXISTS (SELECT 1 FROM postings WHERE wallet = NEW.wallet AND seq = NEW.seq AND line = NEW.line) BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER usage_records_no_delete BEFORE DELETE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage_records is append-only'); END;
CREATE TRIGGER usage_records_no_update BEFORE UPDATE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage_records is append-only'); END;
CREATE TRIGGER usage_records_no_replace BEFORE INSERT ON usage_records WHEN EXISTS (SELECT 1 FROM usage_records WHERE wallet = NEW.wallet AND seq = NEW.seq OR rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'usage_records is append-only'); END;
CREATE TRIGGER price_snapshots_no_delete BEFORE DELETE ON price_snapshots BEGIN SELECT RAISE(ABORT, 'price_snapshots is append-only'); END;
CREATE TRIGGER price_snapshots_no_update BEFORE UPDATE ON price_snapshots BEGIN SELECT RAISE(ABORT, 'price_snapshots is append-only'); END;
CREATE TRIGGER price_snapshots_no_replace BEFORE INSERT ON price_snapshots WHEN EXISTS (SELECT 1 FROM price_snapshots WHERE hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'price_snapshots is append-only'); END;
CREATE TRIGGER price_books_no_delete BEFORE DELETE ON price_books BEGIN SELECT RAISE(ABORT, 'price_books is append-only'); END;
CREATE TRIGGER price_books_no_update BEFORE UPDATE ON price_books BEGIN SELECT RAISE(ABORT, 'price_books is append-only'); END;
CREATE TRIGGER price_books_no_replace BEFORE INSERT ON price_books WHEN EXISTS (SELECT 1 FROM price_books WHERE hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'price_books is append-only'); END;
CREATE TRIGGER anchors_no_delete BEFORE DELETE ON anchors BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
CREATE TRIGGER anchors_no_update BEFORE UPDATE ON anchors BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
CREATE TRIGGER anchors_no_replace BEFORE INSERT ON anchors WHEN EXISTS (SELECT 1 FROM anchors WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
CREATE TRIGGER payment_events_no_delete BEFORE DELETE ON payment_events BEGIN SELECT RAISE(ABORT, 'payment_events is append-only'); END;
CREATE TRIGGER payment_events_no_update BEFORE UPDATE ON payment_events BEGIN SELECT RAISE(ABORT, 'payment_events is append-only'); END;
CREATE TRIGGER payment_events_no_replace BEFORE INSERT ON payment_events WHEN EXISTS (SELECT 1 FROM payment_events WHERE provider = NEW.provider AND event_id = NEW.event_id) BEGIN SELECT RAISE(ABORT, 'payment_events is append-only'); END;
CREATE TRIGGER grants_no_delete BEFORE DELETE ON grants BEGIN SELECT RAISE(ABORT, 'grants is append-only'); END;
CREATE TRIGGER grants_no_update BEFORE UPDATE ON grants BEGIN SELECT RAISE(ABORT, 'grants is append-only'); END;
CREATE TRIGGER grants_no_replace BEFORE INSERT ON grants WHEN EXISTS (SELECT 1 FROM grants WHERE id = NEW.id OR wallet = NEW.wallet AND lot = NEW.lot OR wallet = NEW.wallet AND kind = NEW.kind AND period = NEW.period) BEGIN SELECT RAISE(ABORT, 'grants is append-only'); END;
CREATE TRIGGER wallets_no_delete BEFORE DELETE ON wallets BEGIN SELECT RAISE(ABORT, 'wallets is never-deleted'); END;
CREATE TRIGGER lots_no_delete BEFORE DELETE ON lots BEGIN SELECT RAISE(ABORT, 'lots is never-deleted'); END;
CREATE TRIGGER holds_no_delete BEFORE DELETE ON holds BEGIN SELECT RAISE(ABORT, 'holds is never-deleted'); END;
CREATE TRIGGER orders_no_delete BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'orders is never-deleted'); END;
COMMIT;
