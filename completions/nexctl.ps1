# PowerShell completion for nexctl. Generated: do not edit.
# UNTESTED: it was written without a PowerShell to try it on. Please report what is wrong.
# Use it: put  . 'PATH OF THIS FILE'  into the file that $PROFILE names.

# Reads KEY=TEXT lines into a table that tells -v from -V.
function Global:__nexctl_read([string]$text) {
  $table = New-Object System.Collections.Hashtable
  foreach ($line in $text.Split("`n")) {
    $line = $line.TrimEnd("`r")
    $at = $line.IndexOf('=')
    if ($at -ge 0) { $table[$line.Substring(0, $at)] = $line.Substring($at + 1) }
  }
  return $table
}

$Global:__nexctlCommands = __nexctl_read @'
=estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help
prices=list show compare whatif history markup validate update
models=list show
keys=create list show update disable enable rotate revoke import
provider-keys=list set remove
wallet=show topup topups submit redeem ledger packs policies list create set grants runway auto-topup
wallet auto-topup=set show off
subscription=show set contract
billing-profile=show set
invoices=list show download
usage=export summary list show tail audit calibrate
batch=make check quote submit status wait results retry cancel list run
budgets=list set remove
orgs=list show create set close policy pools
orgs pools=list create transfer
projects=list create set archive
members=list add set remove
alerts=show set
webhooks=endpoints
webhooks endpoints=list add remove
audit-log=list
routes=show set remove cache
gateway=init serve status resume pay backup restore verify migrate
admin=customers keys operators webhooks audit-log payments providers models routes prices margin usage reconcile subscriptions codes terms invoices
admin customers=list create suspend credit review policy contract import
admin keys=list disable enable revoke
admin operators=list create revoke
admin webhooks=endpoints deliveries deliver replay
admin webhooks endpoints=list add remove
admin audit-log=list export verify
admin payments=list submit approve reject refund
admin providers=list add set remove cost
admin models=list set
admin routes=list set remove
admin prices=list draft diff apply
admin subscriptions=list set
admin codes=list create
admin terms=show set
admin invoices=list void
auth=login logout status
config=list get set path edit
profile=list add use remove
completion=bash zsh fish powershell install
'@

$Global:__nexctlAliases = __nexctl_read @'
 estimate-cost=estimate
 price=prices
'@

$Global:__nexctlOptions = __nexctl_read @'
=-V --version -h --help
estimate=-m --model --on --output-tokens --tier --plan --byok --chat --calibration --all-models --cached --batch --volume --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
diff=-m --model --on --output-tokens --tier --plan --byok --chat --calibration --volume --fail-over -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
tokenize=-m --model --tokenizer --on --ids --pieces -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices=-h --help
prices list=--on --tag --provider --capability --match --sort --reverse --at --books -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices show=--on --at --rules --plans -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices compare=--on --input --cached --output-tokens --requests --batch --tier --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices whatif=--usage --on --map --book --at --normal-rates -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices history=--on -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices markup=--on --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices validate=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
prices update=--at --accept -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
models=-h --help
models list=--kind --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
models show=--org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
chat=-m --model --system --max-tokens --request-id --no-stream -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys=-h --help
keys create=--name --budget --expires -m --model --ip --rpm --label --parent --project --member --if-not-exists --write --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys list=--name --parent --state --all --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys update=--name --budget --expires -m --model --ip --rpm --label --no-budget --no-expiry --no-rpm --any-model --any-ip --no-labels -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys disable=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys enable=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys rotate=--overlap --check --finish --now --write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys revoke=--all --older-than -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
keys import=--write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
provider-keys=-h --help
provider-keys list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
provider-keys set=--key-file -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
provider-keys remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet=-h --help
wallet show=--org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet topup=--pack --method --promo --network --wallet --wait --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet topups=--state --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet submit=--transaction --sender -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet redeem=--idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet ledger=--from --to --kind --wallet --limit --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet packs=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet policies=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet create=--key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet set=--name --key --no-keys -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet grants=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet runway=--min-days --by --history --usage -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet auto-topup=-h --help
wallet auto-topup set=--below --amount --target --monthly-budget --method --wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet auto-topup show=--wallet -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
wallet auto-topup off=--wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
recharge=--pack --method --promo --network --wallet --wait --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
subscription=-h --help
subscription show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
subscription set=--idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
subscription contract=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
billing-profile=-h --help
billing-profile show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
billing-profile set=--name --country --kind --tax-id --address --email --purchase-order -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
invoices=-h --help
invoices list=--kind -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
invoices show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
invoices download=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
statement=--month --wallet --entries -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage=-h --help
usage export=--format --csv-style --month --from --to --timezone --key -m --model --project --label --status --wallet --totals --resume --since-last -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage summary=--by --month --from --to --key -m --model --project --label --status --wallet --chart --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage list=--month --from --to --key -m --model --project --label --status --wallet --limit -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage tail=--key -m --model --project --label --status --wallet --from --limit --interval -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage audit=--book --against --batch --map --statement --wallet --month --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
usage calibrate=--prompts --usage --from --book --out -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch=-h --help
batch make=--template --rows -m --model --max-tokens --system --id-column --out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch check=--for --split --max-tokens --max-requests --queue-tokens -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch quote=--split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch submit=--split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch status=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch wait=--poll -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch results=--out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch retry=--poll --out --max-cost --money-added -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch cancel=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch list=--state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
batch run=--out --split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --poll --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
budgets=-h --help
budgets list=--key --org --project --member -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
budgets set=--key --org --project --member --name --meter --model --soft --alert-at --no-alerts -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
budgets remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs=-h --help
orgs list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs create=--name --wallet --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs set=--wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs close=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs policy=--model --ip --member-budget --project-budget --soft --all-models --all-ips --no-budgets -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs pools=-h --help
orgs pools list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs pools create=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
orgs pools transfer=--to --from --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
projects=-h --help
projects list=--org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
projects create=--org --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
projects set=--org --name --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
projects archive=--org -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
members=-h --help
members list=--org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
members add=--org --role -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
members set=--org --role -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
members remove=--org -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
alerts=-h --help
alerts show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
alerts set=--email --no-email --webhooks --no-webhooks --percent --below -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
webhooks=-h --help
webhooks endpoints=-h --help
webhooks endpoints list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
webhooks endpoints add=--event --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
webhooks endpoints remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
audit-log=-h --help
audit-log list=--action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
routes=-h --help
routes show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
routes set=--for-model --tools --no-tools --vision --no-vision --min-input --max-input --label --first -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
routes remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
routes cache=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway=-h --help
gateway init=--book --plan --database --payments --stripe-url --stripe-key-env --stripe-secret-env --upstream --upstream-key-env --allow-private --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway serve=--host --port --tls-cert --tls-key --behind-proxy --allowed-host --max-calls -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway status=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway resume=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway pay=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway backup=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway restore=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway verify=--anchors --write-anchors -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
gateway migrate=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin=-h --help
admin customers=-h --help
admin customers list=--name --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers create=--plan --email --external-id --label --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers suspend=--resume --reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers credit=--note --take --request-id --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers review=--note --wallet --forgive-debt -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers policy=--model --provider --deny-provider --rpm --concurrency --quota --discount --clear -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers contract=--amount --from --to --sla --capacity --note --end -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin customers import=--write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin keys=-h --help
admin keys list=--customer --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin keys disable=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin keys enable=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin keys revoke=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin operators=-h --help
admin operators list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin operators create=--role --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin operators revoke=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks=-h --help
admin webhooks endpoints=-h --help
admin webhooks endpoints list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks endpoints add=--event --note --write --idempotency-key --allow-private -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks endpoints remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks deliveries=--state --endpoint --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks deliver=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin webhooks replay=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin audit-log=-h --help
admin audit-log list=--customer --action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin audit-log export=--customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin audit-log verify=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin payments=-h --help
admin payments list=--state --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin payments submit=--transaction --sender -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin payments approve=--transaction --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin payments reject=--reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin payments refund=--amount --reason --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin providers=-h --help
admin providers list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin providers add=--kind --url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --disabled -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin providers set=--url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --serves-all --no-key --no-options --enable --disable -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin providers remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin providers cost=--book --toml -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin models=-h --help
admin models list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin models set=--enable --disable --alias --no-aliases -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin routes=-h --help
admin routes list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin routes set=--fallback --no-fallback -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin routes remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin prices=-h --help
admin prices list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin prices draft=--markup -m --model --remove --at --places --credit-rate --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin prices diff=--at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin prices apply=--at --accept --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin margin=--before-opening --prices --by --from --to --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin usage=--from --to --customer -m --model -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin reconcile=--month -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin subscriptions=-h --help
admin subscriptions list=--state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin subscriptions set=--charge --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin codes=-h --help
admin codes list=--state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin codes create=--promo --uses --count --expires --credits-expire --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin terms=-h --help
admin terms show=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin terms set=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin invoices=-h --help
admin invoices list=--kind --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
admin invoices void=--reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
auth=-h --help
auth login=--operator --key-file --no-check -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
auth logout=--operator --all -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
auth status=--offline -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
config=-h --help
config list=--show-origin -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
config get=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
config set=--unset -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
config path=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
config edit=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
profile=-h --help
profile list=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
profile add=--driver --base-url --book --plan --tier --model --calibration --org --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
profile use=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
profile remove=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
completion=-h --help
completion bash=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
completion zsh=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
completion fish=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
completion powershell=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
completion install=-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
doctor=--offline -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
help=-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
'@

$Global:__nexctlTakes = __nexctl_read @'
estimate --output-tokens=3
estimate --cached=3
estimate --volume=3
diff --output-tokens=3
diff --volume=3
diff --fail-over=3
tokenize --tokenizer=3
prices list --tag=3
prices list --provider=3
prices list --capability=3
prices list --match=3
prices compare --input=3
prices compare --cached=3
prices compare --output-tokens=3
prices compare --requests=3
prices whatif --map=3
prices update --accept=3
chat --system=3
chat --request-id=3
keys create --budget=3
keys create --expires=3
keys create --ip=3
keys create --rpm=3
keys create --member=3
keys update --budget=3
keys update --expires=3
keys update --ip=3
keys update --rpm=3
keys rotate --overlap=3
keys rotate --check=3
keys rotate --finish=3
keys revoke --older-than=3
wallet topup --pack=3
wallet topup --method=3
wallet topup --promo=3
wallet topup --network=3
wallet submit --transaction=3
wallet submit --sender=3
wallet ledger --limit=3
wallet create --key=3
wallet set --key=3
wallet runway --min-days=3
wallet runway --history=3
wallet auto-topup set --below=3
wallet auto-topup set --amount=3
wallet auto-topup set --target=3
wallet auto-topup set --monthly-budget=3
wallet auto-topup set --method=3
recharge --pack=3
recharge --method=3
recharge --promo=3
recharge --network=3
billing-profile set --country=3
billing-profile set --tax-id=3
billing-profile set --address=3
billing-profile set --email=3
billing-profile set --purchase-order=3
usage export --timezone=3
usage summary --by=3
usage list --limit=3
usage tail --limit=3
usage tail --interval=3
usage audit --batch=3
usage audit --map=3
batch make --id-column=3
batch check --for=3
batch wait --poll=3
batch retry --poll=3
batch run --poll=3
budgets list --member=3
budgets set --member=3
budgets set --meter=3
budgets set --model=3
budgets set --alert-at=3
orgs policy --model=3
orgs policy --ip=3
orgs policy --member-budget=3
orgs policy --project-budget=3
projects create --pool=3
projects set --pool=3
alerts set --email=3
alerts set --percent=3
alerts set --below=3
webhooks endpoints add --event=3
audit-log list --action=3
audit-log list --actor=3
routes set --min-input=3
routes set --max-input=3
gateway init --database=3
gateway init --stripe-url=3
gateway init --stripe-key-env=3
gateway init --stripe-secret-env=3
gateway init --upstream=3
gateway init --upstream-key-env=3
gateway serve --host=3
gateway serve --port=3
gateway serve --behind-proxy=3
gateway serve --allowed-host=3
gateway serve --max-calls=3
admin customers create --email=3
admin customers create --external-id=3
admin customers credit --request-id=3
admin customers policy --model=3
admin customers policy --provider=3
admin customers policy --deny-provider=3
admin customers policy --rpm=3
admin customers policy --concurrency=3
admin customers policy --quota=3
admin customers policy --discount=3
admin customers contract --amount=3
admin customers contract --sla=3
admin customers contract --capacity=3
admin webhooks endpoints add --event=3
admin webhooks deliveries --endpoint=3
admin audit-log list --action=3
admin audit-log list --actor=3
admin payments submit --transaction=3
admin payments submit --sender=3
admin payments approve --transaction=3
admin payments refund --amount=3
admin providers add --url=3
admin providers add --key-env=3
admin providers add --serves=3
admin providers add --priority=3
admin providers add --timeout-seconds=3
admin providers add --option=3
admin providers set --url=3
admin providers set --key-env=3
admin providers set --serves=3
admin providers set --priority=3
admin providers set --timeout-seconds=3
admin providers set --option=3
admin providers cost --book=3
admin models set --alias=3
admin prices draft --markup=3
admin prices draft --places=3
admin prices draft --credit-rate=3
admin prices apply --accept=3
admin codes create --uses=3
admin codes create --count=3
admin codes create --expires=3
admin codes create --credits-expire=3
profile add --base-url=3
estimate --calibration=4
diff --calibration=4
prices whatif --usage=4
wallet runway --usage=4
statement --entries=4
usage audit --statement=4
usage calibrate --prompts=4
usage calibrate --usage=4
batch make --template=4
batch make --rows=4
batch make --system=4
gateway serve --tls-cert=4
gateway serve --tls-key=4
gateway verify --anchors=4
gateway verify --write-anchors=4
admin providers cost --toml=4
admin margin --prices=4
profile add --calibration=4
diff -o=7
diff --output=7
prices list --sort=8
keys create --parent=9
keys list --parent=9
keys list --state=10
admin keys list --state=10
wallet runway --by=11
billing-profile set --kind=12
invoices list --kind=13
admin invoices list --kind=13
usage export --format=14
usage export --csv-style=15
usage audit --against=17
orgs create --wallet=19
orgs set --wallet=19
members add --role=20
members set --role=20
routes set --for-model=1
admin prices draft --remove=1
gateway init --payments=22
admin customers list --state=23
admin customers policy --clear=24
admin operators create --role=25
admin webhooks deliveries --state=26
admin providers add --kind=27
admin margin --by=28
admin subscriptions list --state=29
admin codes list --state=30
profile add --driver=32
* -m=1
* --model=1
* --on=2
* --book=2
* --tier=3
* --plan=3
* --max-cost=3
* --timeout=3
* --at=3
* --kind=3
* --org=3
* --max-tokens=3
* --name=3
* --label=3
* --project=3
* --idempotency-key=3
* --state=3
* --wallet=3
* --from=3
* --to=3
* --month=3
* --max-requests=3
* --queue-tokens=3
* --note=3
* --reason=3
* --customer=3
* -p=5
* --profile=5
* -o=6
* --output=6
* --write=4
* --key-file=4
* --out=4
* --key=9
* --status=16
'@

$Global:__nexctlArguments = __nexctl_read @'
estimate=4 +
diff=4 +
tokenize=4 +
prices show=1
prices compare=1 +
prices history=1
prices markup=1
prices validate=4 +
models show=1
chat=4
keys show=9
keys update=9
keys disable=9 +
keys enable=9 +
keys rotate=9
keys revoke=9 +
keys import=4
provider-keys set=3
provider-keys remove=3
wallet topup=3
wallet topups=3
wallet submit=3
wallet redeem=3
wallet policies=3
wallet create=3
wallet set=3
wallet grants=3 3
recharge=3
subscription set=3
invoices show=3
invoices download=3 4
usage export=4
usage show=3
usage audit=4
batch check=4
batch quote=4
batch submit=4
batch status=18
batch wait=18
batch results=18
batch retry=18
batch cancel=18
batch run=4
budgets set=3
budgets remove=3
orgs show=3
orgs create=3
orgs set=3
orgs close=3
orgs policy=3
orgs pools list=3
orgs pools create=3 3
orgs pools transfer=3 3
projects create=3
projects set=3
projects archive=3
members add=3
members set=3
members remove=3
webhooks endpoints add=3
webhooks endpoints remove=3
routes set=3 1 +
routes remove=3
routes cache=21
gateway init=3
gateway pay=3
gateway backup=4
gateway restore=4
admin customers create=3
admin customers suspend=3
admin customers credit=3 3
admin customers review=3
admin customers policy=3
admin customers contract=3
admin customers import=4
admin keys disable=3
admin keys enable=3
admin keys revoke=3
admin operators create=3
admin operators revoke=3
admin webhooks endpoints add=3
admin webhooks endpoints remove=3
admin webhooks replay=3
admin audit-log export=3
admin audit-log verify=4
admin payments submit=3
admin payments approve=3
admin payments reject=3
admin payments refund=3
admin providers add=3
admin providers set=3
admin providers remove=3
admin providers cost=3
admin models set=1
admin routes set=3 1 +
admin routes remove=3
admin prices diff=4
admin prices apply=4
admin subscriptions set=3 3
admin codes create=3
admin terms set=4
admin invoices void=3
config get=31
config set=31 3
profile add=3
profile use=5
profile remove=5
completion install=33
help=34 +
'@

$Global:__nexctlValues = __nexctl_read @'
1=GLM-4-32B-0414-128K GLM-4.5 GLM-4.5-Air GLM-4.5-AirX GLM-4.5-X GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.6V-FlashX GLM-4.7 GLM-4.7-FlashX GLM-5 GLM-5.1 GLM-5.2 GLM-5.3 GLM-5.3-Flash GLM-5.3-FlashX GLM-OCR M2-her MiniMax-M2 MiniMax-M2.1-highspeed MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3.1-Flash ada babbage babbage-002 canopylabs/orpheus-arabic-saudi canopylabs/orpheus-v1-english chatgpt-4o-latest chatgpt-image-latest claude-2 claude-3-5-haiku claude-3-5-haiku-latest claude-3-5-sonnet claude-3-7-sonnet claude-3-7-sonnet-latest claude-3-haiku claude-3-opus claude-3-opus-latest claude-3-sonnet claude-4-opus claude-4-sonnet claude-fable-5 claude-fable-5-1 claude-fable-5-2 claude-haiku-4 claude-haiku-4-5 claude-haiku-5-5 claude-mythos-5-2 claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-sonnet-class claude-v1 codestral codestral-2508 codestral-embed-2505 codex-mini computer-use curie davinci davinci-002 deepseek-chat deepseek-flash deepseek-r1-distill-llama-70b deepseek-reasoner deepseek-reasoning-class deepseek-v3 deepseek-v3.1-terminus deepseek-v3.2 deepseek-v3.2-exp deepseek-v4-1-flash-1017 deepseek-v4-flash deepseek-v4-pro devstral-2512 devstral-small devstral-small:free ft:gpt-3.5-turbo- ft:gpt-4o ft:gpt-4o-mini gemini-1.0-pro-vision-001 gemini-1.5-flash gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-image gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-tts gemini-2.5-flash-preview gemini-2.5-flash-tts gemini-2.5-pro gemini-2.5-pro-tts gemini-3-flash-preview gemini-3-pro-image-preview gemini-3-pro-preview gemini-3.1-flash-image-preview gemini-3.1-flash-lite gemini-3.1-flash-lite-image gemini-3.1-flash-lite-preview gemini-3.1-flash-live-preview gemini-3.1-flash-tts-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-3.8-live gemini-4-argon gemini-embedding-001 gemini-embedding-2 gemini-flash-1.5 gemini-flash-1.5-8b gemini-live-2.5-flash gemini-nano-banana-2.1 gemini-omni-1.1-flash gemini-omni-flash-preview gemini-pro gemini-pro-1.5 gemini-robotics-er-2-preview gemini-robotics-er-2-streaming-preview gemma-2-27b-it gemma-3 gemma-3n gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas gemma-4-31b-it gemma-7b-it gemma2-9b-it glm-5 glm-5-turbo gpt-3.5-0301 gpt-3.5-turbo gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct gpt-4 gpt-4-32k gpt-4-turbo gpt-4-vision-preview gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4.5-preview gpt-4o gpt-4o-2024-05-13 gpt-4o-audio-preview gpt-4o-mini gpt-4o-mini-2024-07-18.ft- gpt-4o-mini-audio-preview gpt-4o-mini-realtime-preview gpt-4o-mini-transcribe gpt-4o-mini-tts gpt-4o-realtime-preview gpt-4o-search-preview gpt-4o-transcribe gpt-4o:extended gpt-5 gpt-5-image gpt-5-image-mini gpt-5-mini gpt-5-nano gpt-5-pro gpt-5-search-api gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro gpt-5.3 gpt-5.3-codex gpt-5.4 gpt-5.4-image-2 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-cyber gpt-5.5-pro gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-audio gpt-audio-mini gpt-chat-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-live-1 gpt-live-transcribe gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b gpt-realtime gpt-realtime-2 gpt-realtime-mini gpt-realtime-translate gpt-realtime-whisper gpt-rosalind-discovery gpt-rosalind-research gpt-transcribe image-video-models kimi-k2 kimi-k2-0711-preview kimi-k2-0905-preview kimi-k2-thinking kimi-k2-thinking-turbo kimi-k2-turbo-preview kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3 kimi-k3.1-pro kimi-k3.1-pro-highspeed llama-3.1-405b-reasoning llama-3.1-70b-versatile llama-3.1-8b-instant llama-3.2-11b-text-preview llama-3.2-11b-vision-preview llama-3.2-1b-preview llama-3.2-3b-preview llama-3.2-90b-text-preview llama-3.2-90b-vision-preview llama-3.3-70b llama-3.3-70b-specdec llama-3.3-70b-versatile llama-guard-3-8b llama2-70b-4096 llama3-70b-8192 llama3-8b-8192 llama3-groq-70b-8192-tool-use-preview llama3-groq-8b-8192-tool-use-preview magistral-medium magistral-small meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-guard-4-12b meta-llama/llama-prompt-guard-2-22m meta-llama/llama-prompt-guard-2-86m mimo-v2-pro minimax-01 minimax-m1 minimax-m2.7 minimax-m3 ministral-14b-2512 ministral-3b ministral-3b-2512 ministral-8b ministral-8b-2512 ministral-8b-latest mistral-7b mistral-embed mistral-large mistral-large-2 mistral-large-2512 mistral-large-4 mistral-medium-2312 mistral-medium-3-1 mistral-medium-3-5 mistral-medium-latest mistral-nemo mistral-nemo:free mistral-ocr-2503 mistral-ocr-2505 mistral-ocr-2512 mistral-ocr-4-0 mistral-ocr-4-1 mistral-ocr-latest mistral-saba mistral-saba-24b mistral-small-24b-instruct-2501 mistral-small-24b-instruct-2501:free mistral-small-2603 mistral-small-3.1-24b-instruct mistral-small-3.2-24b-instruct mistral-small-latest mistral-tiny mixtral-8x22b-instruct mixtral-8x7b mixtral-8x7b-32768 moderation moonshot-v1-128k moonshot-v1-32k moonshot-v1-8k moonshotai/kimi-k2-instruct nex-auto nex-embed-zh nex-pro nex-reasoning o1 o1-mini o1-preview o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b pixtral-12b pixtral-large qwen/qwen3-32b qwen/qwen3.8-27b text-davinci-002 text-davinci-003 text-embedding-3-large text-embedding-3-small text-embedding-ada-002 tts-1 tts-1-hd voxtral-mini-2602 voxtral-mini-transcribe-3-0 voxtral-mini-transcribe-realtime-2602 voxtral-mini-transcribe-realtime-3-0 voxtral-small-24b-2507 voxtral-small-transcribe-3-0 whisper-1 whisper-large-v3 whisper-large-v3-turbo zai-glm-5-3 zai-glm-5-3-flash|models|
2=nextoken nexrelay deeptoken nexu tokenok anthropic deepseek google groq minimax mistral moonshotai openai zai|books|files
3=||
4=||files
5=local|profiles|
6=table json jsonl csv tsv name||
7=table json jsonl csv tsv name markdown||
8=book model provider context input output||
9=|keys|
10=active disabled revoked expired||
11=median p90||
12=business consumer||
13=invoice credit_note void||
14=csv jsonl parquet xlsx focus||
15=rfc4180 excel excel-de||
16=ok partial error cancelled||
17=local|profiles|files
18=|batches|
19=strict fallback||
20=owner admin member billing||
21=on off||
22=sandbox manual stripe||
23=active suspended||
24=models providers denied rpm concurrency quota discount||
25=owner billing support read-only||
26=pending delivered failed dropped||
27=openai echo||
28=model provider customer month||
29=given active past_due cancelled none||
30=open redeemed expired void||
31=default_profile output color timeout no_input plain model books||
32=embedded nexctl openai||
33=bash zsh fish powershell||
34=estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help output exit-codes environment profiles money||
'@

# The number of the values that follow an option, empty where none do.
function Global:__nexctl_takes([string]$path, [string]$option) {
  foreach ($key in @("$path $option", "* $option")) {
    if ($Global:__nexctlTakes.ContainsKey($key)) { return $Global:__nexctlTakes[$key] }
  }
  return ''
}

# Names of a kind that only this machine knows; read as text, never run.
function Global:__nexctl_cached([string]$kind) {
  if ($env:NEXCTL_CONFIG_DIR) { $folder = Join-Path $env:NEXCTL_CONFIG_DIR 'cache' }
  elseif ($env:LOCALAPPDATA) { $folder = Join-Path $env:LOCALAPPDATA 'nexctl\nexctl\Cache' }
  elseif ($env:XDG_CACHE_HOME) { $folder = Join-Path $env:XDG_CACHE_HOME 'nexctl' }
  elseif ($IsMacOS) { $folder = Join-Path $HOME 'Library/Caches/nexctl' }
  else { $folder = Join-Path $HOME '.cache/nexctl' }
  $file = Join-Path (Join-Path $folder 'complete') $kind
  if (Test-Path -LiteralPath $file -PathType Leaf) {
    foreach ($line in [System.IO.File]::ReadAllLines($file)) {
      if ($line -cmatch '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$') { $line }
    }
  }
}

# The values of a number.
function Global:__nexctl_values([string]$number) {
  if (-not $number) { return }
  $parts = $Global:__nexctlValues[$number].Split('|')
  if ($parts[0]) { $parts[0].Split(' ') }
  if ($parts[1]) { foreach ($kind in $parts[1].Split(' ')) { __nexctl_cached $kind } }
}

# The words that may stand after $before and begin with $current.
function Global:__nexctl_candidates([string[]]$before, [string]$current) {
  $path = ''; $expect = ''; $ended = $false; $placed = 0
  foreach ($word in $before) {
    if ($expect) { $expect = ''; continue }
    if (-not $ended -and $word -ceq '--') { $ended = $true; continue }
    if (-not $ended -and $word.StartsWith('--')) {
      if (-not $word.Contains('=')) { $expect = __nexctl_takes $path $word }
      continue
    }
    if (-not $ended -and $word.StartsWith('-') -and $word.Length -gt 1) {
      for ($i = 1; $i -lt $word.Length; $i++) {
        $number = __nexctl_takes $path ('-' + $word[$i])
        if ($number) {
          if ($i -eq $word.Length - 1) { $expect = $number }
          break
        }
      }
      continue
    }
    if (-not $Global:__nexctlCommands.ContainsKey($path)) { $placed++; continue }
    if ($Global:__nexctlAliases.ContainsKey("$path $word")) {
      $word = $Global:__nexctlAliases["$path $word"]
    }
    if ($Global:__nexctlCommands[$path].Split(' ') -cnotcontains $word) { return }
    $path = "$path $word".TrimStart(); $ended = $false
  }
  $glue = ''
  if ($expect) { $found = __nexctl_values $expect }
  elseif (-not $ended -and $current.StartsWith('--') -and $current.Contains('=')) {
    $at = $current.IndexOf('=')
    $glue = $current.Substring(0, $at + 1)
    $found = __nexctl_values (__nexctl_takes $path $current.Substring(0, $at))
    $current = $current.Substring($at + 1)
  }
  elseif (-not $ended -and $current.StartsWith('-')) {
    $found = "$($Global:__nexctlOptions[$path])".Split(' ')
  }
  elseif ($Global:__nexctlCommands.ContainsKey($path)) {
    $found = $Global:__nexctlCommands[$path].Split(' ')
  }
  else {
    $numbers = @("$($Global:__nexctlArguments[$path])".Split(' ') | Where-Object { $_ })
    $many = $numbers.Count -gt 0 -and $numbers[-1] -ceq '+'
    if ($many) { $numbers = @($numbers[0..($numbers.Count - 2)]) }
    if ($placed -lt $numbers.Count) { $found = __nexctl_values $numbers[$placed] }
    elseif ($many) { $found = __nexctl_values $numbers[-1] }
    else { return }
  }
  foreach ($word in $found) {
    if ($word -and $word.StartsWith($current, [System.StringComparison]::Ordinal)) { $glue + $word }
  }
}

Register-ArgumentCompleter -Native -CommandName nexctl -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $before = @()
  foreach ($element in @($commandAst.CommandElements | Select-Object -Skip 1)) {
    if ($element.Extent.EndOffset -lt $cursorPosition) {
      $before += $element.Extent.Text.Trim("'", '"')
    }
  }
  foreach ($word in @(__nexctl_candidates $before "$wordToComplete")) {
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $word)
  }
}
