# bash completion for nexctl. Generated: do not edit.

_nexctl_commands() {
  R=
  case $1 in
    '') R='estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help' ;;
    'prices') R='list show compare whatif history markup validate update' ;;
    'models') R='list show' ;;
    'keys') R='create list show update disable enable rotate revoke import' ;;
    'provider-keys') R='list set remove' ;;
    'wallet') R='show topup topups submit redeem ledger packs policies list create set grants runway auto-topup' ;;
    'wallet auto-topup') R='set show off' ;;
    'subscription') R='show set contract' ;;
    'billing-profile') R='show set' ;;
    'invoices') R='list show download' ;;
    'usage') R='export summary list show tail audit calibrate' ;;
    'batch') R='make check quote submit status wait results retry cancel list run' ;;
    'budgets') R='list set remove' ;;
    'orgs') R='list show create set close policy pools' ;;
    'orgs pools') R='list create transfer' ;;
    'projects') R='list create set archive' ;;
    'members') R='list add set remove' ;;
    'alerts') R='show set' ;;
    'webhooks') R='endpoints' ;;
    'webhooks endpoints') R='list add remove' ;;
    'audit-log') R='list' ;;
    'routes') R='show set remove cache' ;;
    'gateway') R='init serve status resume pay backup restore verify migrate' ;;
    'admin') R='customers keys operators webhooks audit-log payments providers models routes prices margin usage reconcile subscriptions codes terms invoices' ;;
    'admin customers') R='list create suspend credit review policy contract import' ;;
    'admin keys') R='list disable enable revoke' ;;
    'admin operators') R='list create revoke' ;;
    'admin webhooks') R='endpoints deliveries deliver replay' ;;
    'admin webhooks endpoints') R='list add remove' ;;
    'admin audit-log') R='list export verify' ;;
    'admin payments') R='list submit approve reject refund' ;;
    'admin providers') R='list add set remove cost' ;;
    'admin models') R='list set' ;;
    'admin routes') R='list set remove' ;;
    'admin prices') R='list draft diff apply' ;;
    'admin subscriptions') R='list set' ;;
    'admin codes') R='list create' ;;
    'admin terms') R='show set' ;;
    'admin invoices') R='list void' ;;
    'auth') R='login logout status' ;;
    'config') R='list get set path edit' ;;
    'profile') R='list add use remove' ;;
    'completion') R='bash zsh fish powershell install' ;;
  esac
}

_nexctl_alias() {
  N=
  case $1 in
    ' estimate-cost') N='estimate' ;;
    ' price') N='prices' ;;
  esac
}

_nexctl_options() {
  R=
  case $1 in
    '') R='-V --version -h --help' ;;
    'estimate') R='-m --model --on --output-tokens --tier --plan --byok --chat --calibration --all-models --cached --batch --volume --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'diff') R='-m --model --on --output-tokens --tier --plan --byok --chat --calibration --volume --fail-over -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'tokenize') R='-m --model --tokenizer --on --ids --pieces -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices'|'models'|'keys'|'provider-keys'|'wallet'|'wallet auto-topup'|'subscription'|'billing-profile'|'invoices'|'usage'|'batch'|'budgets'|'orgs'|'orgs pools'|'projects'|'members'|'alerts'|'webhooks'|'webhooks endpoints'|'audit-log'|'routes'|'gateway'|'admin'|'admin customers'|'admin keys'|'admin operators'|'admin webhooks'|'admin webhooks endpoints'|'admin audit-log'|'admin payments'|'admin providers'|'admin models'|'admin routes'|'admin prices'|'admin subscriptions'|'admin codes'|'admin terms'|'admin invoices'|'auth'|'config'|'profile'|'completion') R='-h --help' ;;
    'prices list') R='--on --tag --provider --capability --match --sort --reverse --at --books -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices show') R='--on --at --rules --plans -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices compare') R='--on --input --cached --output-tokens --requests --batch --tier --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices whatif') R='--usage --on --map --book --at --normal-rates -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices history') R='--on -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices markup') R='--on --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices validate'|'keys show'|'provider-keys list'|'wallet packs'|'wallet policies'|'wallet list'|'subscription show'|'subscription contract'|'billing-profile show'|'invoices show'|'invoices download'|'usage show'|'batch status'|'orgs list'|'orgs show'|'orgs pools list'|'alerts show'|'webhooks endpoints list'|'routes show'|'gateway status'|'admin operators list'|'admin webhooks endpoints list'|'admin audit-log verify'|'admin providers list'|'admin models list'|'admin routes list'|'admin prices list'|'admin terms show'|'config get'|'config path'|'config edit'|'profile list'|'completion bash'|'completion zsh'|'completion fish'|'completion powershell'|'help') R='-p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'prices update') R='--at --accept -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'models list') R='--kind --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'models show'|'wallet show'|'projects list'|'members list') R='--org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'chat') R='-m --model --system --max-tokens --request-id --no-stream -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys create') R='--name --budget --expires -m --model --ip --rpm --label --parent --project --member --if-not-exists --write --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys list') R='--name --parent --state --all --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys update') R='--name --budget --expires -m --model --ip --rpm --label --no-budget --no-expiry --no-rpm --any-model --any-ip --no-labels -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys disable'|'keys enable'|'provider-keys remove'|'wallet grants'|'batch cancel'|'budgets remove'|'orgs close'|'orgs pools create'|'webhooks endpoints remove'|'routes remove'|'routes cache'|'gateway resume'|'gateway pay'|'gateway backup'|'gateway restore'|'gateway migrate'|'admin keys disable'|'admin keys enable'|'admin keys revoke'|'admin operators revoke'|'admin webhooks endpoints remove'|'admin webhooks deliver'|'admin webhooks replay'|'admin providers remove'|'admin routes remove'|'admin terms set'|'profile use'|'profile remove'|'completion install') R='-y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys rotate') R='--overlap --check --finish --now --write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys revoke') R='--all --older-than -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'keys import'|'admin customers import') R='--write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'provider-keys set') R='--key-file -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet topup'|'recharge') R='--pack --method --promo --network --wallet --wait --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet topups') R='--state --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet submit'|'admin payments submit') R='--transaction --sender -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet redeem') R='--idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet ledger') R='--from --to --kind --wallet --limit --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet create') R='--key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet set') R='--name --key --no-keys -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet runway') R='--min-days --by --history --usage -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet auto-topup set') R='--below --amount --target --monthly-budget --method --wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet auto-topup show') R='--wallet -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'wallet auto-topup off'|'orgs set') R='--wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'subscription set') R='--idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'billing-profile set') R='--name --country --kind --tax-id --address --email --purchase-order -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'invoices list') R='--kind -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'statement') R='--month --wallet --entries -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage export') R='--format --csv-style --month --from --to --timezone --key -m --model --project --label --status --wallet --totals --resume --since-last -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage summary') R='--by --month --from --to --key -m --model --project --label --status --wallet --chart --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage list') R='--month --from --to --key -m --model --project --label --status --wallet --limit -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage tail') R='--key -m --model --project --label --status --wallet --from --limit --interval -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage audit') R='--book --against --batch --map --statement --wallet --month --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'usage calibrate') R='--prompts --usage --from --book --out -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch make') R='--template --rows -m --model --max-tokens --system --id-column --out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch check') R='--for --split --max-tokens --max-requests --queue-tokens -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch quote') R='--split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch submit') R='--split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch wait') R='--poll -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch results') R='--out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch retry') R='--poll --out --max-cost --money-added -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch list'|'admin subscriptions list'|'admin codes list') R='--state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'batch run') R='--out --split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --poll --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'budgets list') R='--key --org --project --member -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'budgets set') R='--key --org --project --member --name --meter --model --soft --alert-at --no-alerts -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'orgs create') R='--name --wallet --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'orgs policy') R='--model --ip --member-budget --project-budget --soft --all-models --all-ips --no-budgets -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'orgs pools transfer') R='--to --from --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'projects create') R='--org --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'projects set') R='--org --name --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'projects archive'|'members remove') R='--org -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'members add'|'members set') R='--org --role -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'alerts set') R='--email --no-email --webhooks --no-webhooks --percent --below -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'webhooks endpoints add') R='--event --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'audit-log list') R='--action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'routes set') R='--for-model --tools --no-tools --vision --no-vision --min-input --max-input --label --first -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'gateway init') R='--book --plan --database --payments --stripe-url --stripe-key-env --stripe-secret-env --upstream --upstream-key-env --allow-private --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'gateway serve') R='--host --port --tls-cert --tls-key --behind-proxy --allowed-host --max-calls -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'gateway verify') R='--anchors --write-anchors -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers list') R='--name --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers create') R='--plan --email --external-id --label --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers suspend') R='--resume --reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers credit') R='--note --take --request-id --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers review') R='--note --wallet --forgive-debt -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers policy') R='--model --provider --deny-provider --rpm --concurrency --quota --discount --clear -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin customers contract') R='--amount --from --to --sla --capacity --note --end -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin keys list') R='--customer --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin operators create') R='--role --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin webhooks endpoints add') R='--event --note --write --idempotency-key --allow-private -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin webhooks deliveries') R='--state --endpoint --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin audit-log list') R='--customer --action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin audit-log export') R='--customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin payments list') R='--state --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin payments approve') R='--transaction --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin payments reject'|'admin invoices void') R='--reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin payments refund') R='--amount --reason --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin providers add') R='--kind --url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --disabled -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin providers set') R='--url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --serves-all --no-key --no-options --enable --disable -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin providers cost') R='--book --toml -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin models set') R='--enable --disable --alias --no-aliases -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin routes set') R='--fallback --no-fallback -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin prices draft') R='--markup -m --model --remove --at --places --credit-rate --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin prices diff') R='--at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin prices apply') R='--at --accept --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin margin') R='--before-opening --prices --by --from --to --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin usage') R='--from --to --customer -m --model -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin reconcile') R='--month -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin subscriptions set') R='--charge --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin codes create') R='--promo --uses --count --expires --credits-expire --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'admin invoices list') R='--kind --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'auth login') R='--operator --key-file --no-check -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'auth logout') R='--operator --all -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'auth status'|'doctor') R='--offline -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'config list') R='--show-origin -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'config set') R='--unset -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
    'profile add') R='--driver --base-url --book --plan --tier --model --calibration --org --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help' ;;
  esac
}

_nexctl_takes() {
  V=
  case $1 in
    'estimate --output-tokens'|'estimate --cached'|'estimate --volume'|'diff --output-tokens'|'diff --volume'|'diff --fail-over'|'tokenize --tokenizer'|'prices list --tag'|'prices list --provider'|'prices list --capability'|'prices list --match'|'prices compare --input'|'prices compare --cached'|'prices compare --output-tokens'|'prices compare --requests'|'prices whatif --map'|'prices update --accept'|'chat --system'|'chat --request-id'|'keys create --budget'|'keys create --expires'|'keys create --ip'|'keys create --rpm'|'keys create --member'|'keys update --budget'|'keys update --expires'|'keys update --ip'|'keys update --rpm'|'keys rotate --overlap'|'keys rotate --check'|'keys rotate --finish'|'keys revoke --older-than'|'wallet topup --pack'|'wallet topup --method'|'wallet topup --promo'|'wallet topup --network'|'wallet submit --transaction'|'wallet submit --sender'|'wallet ledger --limit'|'wallet create --key'|'wallet set --key'|'wallet runway --min-days'|'wallet runway --history'|'wallet auto-topup set --below'|'wallet auto-topup set --amount'|'wallet auto-topup set --target'|'wallet auto-topup set --monthly-budget'|'wallet auto-topup set --method'|'recharge --pack'|'recharge --method'|'recharge --promo'|'recharge --network'|'billing-profile set --country'|'billing-profile set --tax-id'|'billing-profile set --address'|'billing-profile set --email'|'billing-profile set --purchase-order'|'usage export --timezone'|'usage summary --by'|'usage list --limit'|'usage tail --limit'|'usage tail --interval'|'usage audit --batch'|'usage audit --map'|'batch make --id-column'|'batch check --for'|'batch wait --poll'|'batch retry --poll'|'batch run --poll'|'budgets list --member'|'budgets set --member'|'budgets set --meter'|'budgets set --model'|'budgets set --alert-at'|'orgs policy --model'|'orgs policy --ip'|'orgs policy --member-budget'|'orgs policy --project-budget'|'projects create --pool'|'projects set --pool'|'alerts set --email'|'alerts set --percent'|'alerts set --below'|'webhooks endpoints add --event'|'audit-log list --action'|'audit-log list --actor'|'routes set --min-input'|'routes set --max-input'|'gateway init --database'|'gateway init --stripe-url'|'gateway init --stripe-key-env'|'gateway init --stripe-secret-env'|'gateway init --upstream'|'gateway init --upstream-key-env'|'gateway serve --host'|'gateway serve --port'|'gateway serve --behind-proxy'|'gateway serve --allowed-host'|'gateway serve --max-calls'|'admin customers create --email'|'admin customers create --external-id'|'admin customers credit --request-id'|'admin customers policy --model'|'admin customers policy --provider'|'admin customers policy --deny-provider'|'admin customers policy --rpm'|'admin customers policy --concurrency'|'admin customers policy --quota'|'admin customers policy --discount'|'admin customers contract --amount'|'admin customers contract --sla'|'admin customers contract --capacity'|'admin webhooks endpoints add --event'|'admin webhooks deliveries --endpoint'|'admin audit-log list --action'|'admin audit-log list --actor'|'admin payments submit --transaction'|'admin payments submit --sender'|'admin payments approve --transaction'|'admin payments refund --amount'|'admin providers add --url'|'admin providers add --key-env'|'admin providers add --serves'|'admin providers add --priority'|'admin providers add --timeout-seconds'|'admin providers add --option'|'admin providers set --url'|'admin providers set --key-env'|'admin providers set --serves'|'admin providers set --priority'|'admin providers set --timeout-seconds'|'admin providers set --option'|'admin providers cost --book'|'admin models set --alias'|'admin prices draft --markup'|'admin prices draft --places'|'admin prices draft --credit-rate'|'admin prices apply --accept'|'admin codes create --uses'|'admin codes create --count'|'admin codes create --expires'|'admin codes create --credits-expire'|'profile add --base-url') V='3' ;;
    'estimate --calibration'|'diff --calibration'|'prices whatif --usage'|'wallet runway --usage'|'statement --entries'|'usage audit --statement'|'usage calibrate --prompts'|'usage calibrate --usage'|'batch make --template'|'batch make --rows'|'batch make --system'|'gateway serve --tls-cert'|'gateway serve --tls-key'|'gateway verify --anchors'|'gateway verify --write-anchors'|'admin providers cost --toml'|'admin margin --prices'|'profile add --calibration') V='4' ;;
    'diff -o'|'diff --output') V='7' ;;
    'prices list --sort') V='8' ;;
    'keys create --parent'|'keys list --parent') V='9' ;;
    'keys list --state'|'admin keys list --state') V='10' ;;
    'wallet runway --by') V='11' ;;
    'billing-profile set --kind') V='12' ;;
    'invoices list --kind'|'admin invoices list --kind') V='13' ;;
    'usage export --format') V='14' ;;
    'usage export --csv-style') V='15' ;;
    'usage audit --against') V='17' ;;
    'orgs create --wallet'|'orgs set --wallet') V='19' ;;
    'members add --role'|'members set --role') V='20' ;;
    'routes set --for-model'|'admin prices draft --remove') V='1' ;;
    'gateway init --payments') V='22' ;;
    'admin customers list --state') V='23' ;;
    'admin customers policy --clear') V='24' ;;
    'admin operators create --role') V='25' ;;
    'admin webhooks deliveries --state') V='26' ;;
    'admin providers add --kind') V='27' ;;
    'admin margin --by') V='28' ;;
    'admin subscriptions list --state') V='29' ;;
    'admin codes list --state') V='30' ;;
    'profile add --driver') V='32' ;;
    *' -m'|*' --model') V='1' ;;
    *' --on'|*' --book') V='2' ;;
    *' --tier'|*' --plan'|*' --max-cost'|*' --timeout'|*' --at'|*' --kind'|*' --org'|*' --max-tokens'|*' --name'|*' --label'|*' --project'|*' --idempotency-key'|*' --state'|*' --wallet'|*' --from'|*' --to'|*' --month'|*' --max-requests'|*' --queue-tokens'|*' --note'|*' --reason'|*' --customer') V='3' ;;
    *' -p'|*' --profile') V='5' ;;
    *' -o'|*' --output') V='6' ;;
    *' --write'|*' --key-file'|*' --out') V='4' ;;
    *' --key') V='9' ;;
    *' --status') V='16' ;;
  esac
}

_nexctl_arguments() {
  A=
  case $1 in
    'estimate') A='4 +' ;;
    'diff') A='4 +' ;;
    'tokenize') A='4 +' ;;
    'prices show') A='1' ;;
    'prices compare') A='1 +' ;;
    'prices history') A='1' ;;
    'prices markup') A='1' ;;
    'prices validate') A='4 +' ;;
    'models show') A='1' ;;
    'chat') A='4' ;;
    'keys show') A='9' ;;
    'keys update') A='9' ;;
    'keys disable') A='9 +' ;;
    'keys enable') A='9 +' ;;
    'keys rotate') A='9' ;;
    'keys revoke') A='9 +' ;;
    'keys import') A='4' ;;
    'provider-keys set') A='3' ;;
    'provider-keys remove') A='3' ;;
    'wallet topup') A='3' ;;
    'wallet topups') A='3' ;;
    'wallet submit') A='3' ;;
    'wallet redeem') A='3' ;;
    'wallet policies') A='3' ;;
    'wallet create') A='3' ;;
    'wallet set') A='3' ;;
    'wallet grants') A='3 3' ;;
    'recharge') A='3' ;;
    'subscription set') A='3' ;;
    'invoices show') A='3' ;;
    'invoices download') A='3 4' ;;
    'usage export') A='4' ;;
    'usage show') A='3' ;;
    'usage audit') A='4' ;;
    'batch check') A='4' ;;
    'batch quote') A='4' ;;
    'batch submit') A='4' ;;
    'batch status') A='18' ;;
    'batch wait') A='18' ;;
    'batch results') A='18' ;;
    'batch retry') A='18' ;;
    'batch cancel') A='18' ;;
    'batch run') A='4' ;;
    'budgets set') A='3' ;;
    'budgets remove') A='3' ;;
    'orgs show') A='3' ;;
    'orgs create') A='3' ;;
    'orgs set') A='3' ;;
    'orgs close') A='3' ;;
    'orgs policy') A='3' ;;
    'orgs pools list') A='3' ;;
    'orgs pools create') A='3 3' ;;
    'orgs pools transfer') A='3 3' ;;
    'projects create') A='3' ;;
    'projects set') A='3' ;;
    'projects archive') A='3' ;;
    'members add') A='3' ;;
    'members set') A='3' ;;
    'members remove') A='3' ;;
    'webhooks endpoints add') A='3' ;;
    'webhooks endpoints remove') A='3' ;;
    'routes set') A='3 1 +' ;;
    'routes remove') A='3' ;;
    'routes cache') A='21' ;;
    'gateway init') A='3' ;;
    'gateway pay') A='3' ;;
    'gateway backup') A='4' ;;
    'gateway restore') A='4' ;;
    'admin customers create') A='3' ;;
    'admin customers suspend') A='3' ;;
    'admin customers credit') A='3 3' ;;
    'admin customers review') A='3' ;;
    'admin customers policy') A='3' ;;
    'admin customers contract') A='3' ;;
    'admin customers import') A='4' ;;
    'admin keys disable') A='3' ;;
    'admin keys enable') A='3' ;;
    'admin keys revoke') A='3' ;;
    'admin operators create') A='3' ;;
    'admin operators revoke') A='3' ;;
    'admin webhooks endpoints add') A='3' ;;
    'admin webhooks endpoints remove') A='3' ;;
    'admin webhooks replay') A='3' ;;
    'admin audit-log export') A='3' ;;
    'admin audit-log verify') A='4' ;;
    'admin payments submit') A='3' ;;
    'admin payments approve') A='3' ;;
    'admin payments reject') A='3' ;;
    'admin payments refund') A='3' ;;
    'admin providers add') A='3' ;;
    'admin providers set') A='3' ;;
    'admin providers remove') A='3' ;;
    'admin providers cost') A='3' ;;
    'admin models set') A='1' ;;
    'admin routes set') A='3 1 +' ;;
    'admin routes remove') A='3' ;;
    'admin prices diff') A='4' ;;
    'admin prices apply') A='4' ;;
    'admin subscriptions set') A='3 3' ;;
    'admin codes create') A='3' ;;
    'admin terms set') A='4' ;;
    'admin invoices void') A='3' ;;
    'config get') A='31' ;;
    'config set') A='31 3' ;;
    'profile add') A='3' ;;
    'profile use') A='5' ;;
    'profile remove') A='5' ;;
    'completion install') A='33' ;;
    'help') A='34 +' ;;
  esac
}

_nexctl_values() {
  W= K= F=
  case $1 in
    '1 ') W='GLM-4-32B-0414-128K GLM-4.5 GLM-4.5-Air GLM-4.5-AirX GLM-4.5-X GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.6V-FlashX GLM-4.7 GLM-4.7-FlashX GLM-5 GLM-5.1 GLM-5.2 GLM-5.3 GLM-5.3-Flash GLM-5.3-FlashX GLM-OCR M2-her MiniMax-M2 MiniMax-M2.1-highspeed MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3.1-Flash ada babbage babbage-002 canopylabs/orpheus-arabic-saudi canopylabs/orpheus-v1-english chatgpt-4o-latest chatgpt-image-latest claude-2 claude-3-5-haiku claude-3-5-haiku-latest claude-3-5-sonnet claude-3-7-sonnet claude-3-7-sonnet-latest claude-3-haiku claude-3-opus claude-3-opus-latest claude-3-sonnet claude-4-opus claude-4-sonnet claude-fable-5 claude-fable-5-1 claude-fable-5-2 claude-haiku-4 claude-haiku-4-5 claude-haiku-5-5 claude-mythos-5-2 claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-sonnet-class claude-v1 codestral codestral-2508 codestral-embed-2505 codex-mini computer-use curie davinci davinci-002 deepseek-chat deepseek-flash deepseek-r1-distill-llama-70b deepseek-reasoner deepseek-reasoning-class deepseek-v3 deepseek-v3.1-terminus deepseek-v3.2 deepseek-v3.2-exp deepseek-v4-1-flash-1017 deepseek-v4-flash deepseek-v4-pro devstral-2512 devstral-small devstral-small:free ft:gpt-3.5-turbo- ft:gpt-4o ft:gpt-4o-mini gemini-1.0-pro-vision-001 gemini-1.5-flash gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-image gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-tts gemini-2.5-flash-preview gemini-2.5-flash-tts gemini-2.5-pro gemini-2.5-pro-tts gemini-3-flash-preview gemini-3-pro-image-preview gemini-3-pro-preview gemini-3.1-flash-image-preview gemini-3.1-flash-lite gemini-3.1-flash-lite-image gemini-3.1-flash-lite-preview gemini-3.1-flash-live-preview gemini-3.1-flash-tts-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-3.8-live gemini-4-argon gemini-embedding-001 gemini-embedding-2 gemini-flash-1.5 gemini-flash-1.5-8b gemini-live-2.5-flash gemini-nano-banana-2.1 gemini-omni-1.1-flash gemini-omni-flash-preview gemini-pro gemini-pro-1.5 gemini-robotics-er-2-preview gemini-robotics-er-2-streaming-preview gemma-2-27b-it gemma-3 gemma-3n gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas gemma-4-31b-it gemma-7b-it gemma2-9b-it glm-5 glm-5-turbo gpt-3.5-0301 gpt-3.5-turbo gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct gpt-4 gpt-4-32k gpt-4-turbo gpt-4-vision-preview gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4.5-preview gpt-4o gpt-4o-2024-05-13 gpt-4o-audio-preview gpt-4o-mini gpt-4o-mini-2024-07-18.ft- gpt-4o-mini-audio-preview gpt-4o-mini-realtime-preview gpt-4o-mini-transcribe gpt-4o-mini-tts gpt-4o-realtime-preview gpt-4o-search-preview gpt-4o-transcribe gpt-4o:extended gpt-5 gpt-5-image gpt-5-image-mini gpt-5-mini gpt-5-nano gpt-5-pro gpt-5-search-api gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro gpt-5.3 gpt-5.3-codex gpt-5.4 gpt-5.4-image-2 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-cyber gpt-5.5-pro gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-audio gpt-audio-mini gpt-chat-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-live-1 gpt-live-transcribe gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b gpt-realtime gpt-realtime-2 gpt-realtime-mini gpt-realtime-translate gpt-realtime-whisper gpt-rosalind-discovery gpt-rosalind-research gpt-transcribe image-video-models kimi-k2 kimi-k2-0711-preview kimi-k2-0905-preview kimi-k2-thinking kimi-k2-thinking-turbo kimi-k2-turbo-preview kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3 kimi-k3.1-pro kimi-k3.1-pro-highspeed llama-3.1-405b-reasoning llama-3.1-70b-versatile llama-3.1-8b-instant llama-3.2-11b-text-preview llama-3.2-11b-vision-preview llama-3.2-1b-preview llama-3.2-3b-preview llama-3.2-90b-text-preview llama-3.2-90b-vision-preview llama-3.3-70b llama-3.3-70b-specdec llama-3.3-70b-versatile llama-guard-3-8b llama2-70b-4096 llama3-70b-8192 llama3-8b-8192 llama3-groq-70b-8192-tool-use-preview llama3-groq-8b-8192-tool-use-preview magistral-medium magistral-small meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-guard-4-12b meta-llama/llama-prompt-guard-2-22m meta-llama/llama-prompt-guard-2-86m mimo-v2-pro minimax-01 minimax-m1 minimax-m2.7 minimax-m3 ministral-14b-2512 ministral-3b ministral-3b-2512 ministral-8b ministral-8b-2512 ministral-8b-latest mistral-7b mistral-embed mistral-large mistral-large-2 mistral-large-2512 mistral-large-4 mistral-medium-2312 mistral-medium-3-1 mistral-medium-3-5 mistral-medium-latest mistral-nemo mistral-nemo:free mistral-ocr-2503 mistral-ocr-2505 mistral-ocr-2512 mistral-ocr-4-0 mistral-ocr-4-1 mistral-ocr-latest mistral-saba mistral-saba-24b mistral-small-24b-instruct-2501 mistral-small-24b-instruct-2501:free mistral-small-2603 mistral-small-3.1-24b-instruct mistral-small-3.2-24b-instruct mistral-small-latest mistral-tiny mixtral-8x22b-instruct mixtral-8x7b mixtral-8x7b-32768 moderation moonshot-v1-128k moonshot-v1-32k moonshot-v1-8k moonshotai/kimi-k2-instruct nex-auto nex-embed-zh nex-pro nex-reasoning o1 o1-mini o1-preview o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b pixtral-12b pixtral-large qwen/qwen3-32b qwen/qwen3.8-27b text-davinci-002 text-davinci-003 text-embedding-3-large text-embedding-3-small text-embedding-ada-002 tts-1 tts-1-hd voxtral-mini-2602 voxtral-mini-transcribe-3-0 voxtral-mini-transcribe-realtime-2602 voxtral-mini-transcribe-realtime-3-0 voxtral-small-24b-2507 voxtral-small-transcribe-3-0 whisper-1 whisper-large-v3 whisper-large-v3-turbo zai-glm-5-3 zai-glm-5-3-flash' K='models' ;;
    '1 G') W='GLM-4-32B-0414-128K GLM-4.5 GLM-4.5-Air GLM-4.5-AirX GLM-4.5-X GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.6V-FlashX GLM-4.7 GLM-4.7-FlashX GLM-5 GLM-5.1 GLM-5.2 GLM-5.3 GLM-5.3-Flash GLM-5.3-FlashX GLM-OCR' K='models' ;;
    '1 M') W='M2-her MiniMax-M2 MiniMax-M2.1-highspeed MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3.1-Flash' K='models' ;;
    '1 a') W='ada' K='models' ;;
    '1 b') W='babbage babbage-002' K='models' ;;
    '1 c') W='canopylabs/orpheus-arabic-saudi canopylabs/orpheus-v1-english chatgpt-4o-latest chatgpt-image-latest claude-2 claude-3-5-haiku claude-3-5-haiku-latest claude-3-5-sonnet claude-3-7-sonnet claude-3-7-sonnet-latest claude-3-haiku claude-3-opus claude-3-opus-latest claude-3-sonnet claude-4-opus claude-4-sonnet claude-fable-5 claude-fable-5-1 claude-fable-5-2 claude-haiku-4 claude-haiku-4-5 claude-haiku-5-5 claude-mythos-5-2 claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-sonnet-class claude-v1 codestral codestral-2508 codestral-embed-2505 codex-mini computer-use curie' K='models' ;;
    '1 d') W='davinci davinci-002 deepseek-chat deepseek-flash deepseek-r1-distill-llama-70b deepseek-reasoner deepseek-reasoning-class deepseek-v3 deepseek-v3.1-terminus deepseek-v3.2 deepseek-v3.2-exp deepseek-v4-1-flash-1017 deepseek-v4-flash deepseek-v4-pro devstral-2512 devstral-small devstral-small:free' K='models' ;;
    '1 f') W='ft:gpt-3.5-turbo- ft:gpt-4o ft:gpt-4o-mini' K='models' ;;
    '1 g') W='gemini-1.0-pro-vision-001 gemini-1.5-flash gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-image gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-tts gemini-2.5-flash-preview gemini-2.5-flash-tts gemini-2.5-pro gemini-2.5-pro-tts gemini-3-flash-preview gemini-3-pro-image-preview gemini-3-pro-preview gemini-3.1-flash-image-preview gemini-3.1-flash-lite gemini-3.1-flash-lite-image gemini-3.1-flash-lite-preview gemini-3.1-flash-live-preview gemini-3.1-flash-tts-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-3.8-live gemini-4-argon gemini-embedding-001 gemini-embedding-2 gemini-flash-1.5 gemini-flash-1.5-8b gemini-live-2.5-flash gemini-nano-banana-2.1 gemini-omni-1.1-flash gemini-omni-flash-preview gemini-pro gemini-pro-1.5 gemini-robotics-er-2-preview gemini-robotics-er-2-streaming-preview gemma-2-27b-it gemma-3 gemma-3n gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas gemma-4-31b-it gemma-7b-it gemma2-9b-it glm-5 glm-5-turbo gpt-3.5-0301 gpt-3.5-turbo gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct gpt-4 gpt-4-32k gpt-4-turbo gpt-4-vision-preview gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4.5-preview gpt-4o gpt-4o-2024-05-13 gpt-4o-audio-preview gpt-4o-mini gpt-4o-mini-2024-07-18.ft- gpt-4o-mini-audio-preview gpt-4o-mini-realtime-preview gpt-4o-mini-transcribe gpt-4o-mini-tts gpt-4o-realtime-preview gpt-4o-search-preview gpt-4o-transcribe gpt-4o:extended gpt-5 gpt-5-image gpt-5-image-mini gpt-5-mini gpt-5-nano gpt-5-pro gpt-5-search-api gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro gpt-5.3 gpt-5.3-codex gpt-5.4 gpt-5.4-image-2 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-cyber gpt-5.5-pro gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-audio gpt-audio-mini gpt-chat-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-live-1 gpt-live-transcribe gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b gpt-realtime gpt-realtime-2 gpt-realtime-mini gpt-realtime-translate gpt-realtime-whisper gpt-rosalind-discovery gpt-rosalind-research gpt-transcribe' K='models' ;;
    '1 i') W='image-video-models' K='models' ;;
    '1 k') W='kimi-k2 kimi-k2-0711-preview kimi-k2-0905-preview kimi-k2-thinking kimi-k2-thinking-turbo kimi-k2-turbo-preview kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3 kimi-k3.1-pro kimi-k3.1-pro-highspeed' K='models' ;;
    '1 l') W='llama-3.1-405b-reasoning llama-3.1-70b-versatile llama-3.1-8b-instant llama-3.2-11b-text-preview llama-3.2-11b-vision-preview llama-3.2-1b-preview llama-3.2-3b-preview llama-3.2-90b-text-preview llama-3.2-90b-vision-preview llama-3.3-70b llama-3.3-70b-specdec llama-3.3-70b-versatile llama-guard-3-8b llama2-70b-4096 llama3-70b-8192 llama3-8b-8192 llama3-groq-70b-8192-tool-use-preview llama3-groq-8b-8192-tool-use-preview' K='models' ;;
    '1 m') W='magistral-medium magistral-small meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-guard-4-12b meta-llama/llama-prompt-guard-2-22m meta-llama/llama-prompt-guard-2-86m mimo-v2-pro minimax-01 minimax-m1 minimax-m2.7 minimax-m3 ministral-14b-2512 ministral-3b ministral-3b-2512 ministral-8b ministral-8b-2512 ministral-8b-latest mistral-7b mistral-embed mistral-large mistral-large-2 mistral-large-2512 mistral-large-4 mistral-medium-2312 mistral-medium-3-1 mistral-medium-3-5 mistral-medium-latest mistral-nemo mistral-nemo:free mistral-ocr-2503 mistral-ocr-2505 mistral-ocr-2512 mistral-ocr-4-0 mistral-ocr-4-1 mistral-ocr-latest mistral-saba mistral-saba-24b mistral-small-24b-instruct-2501 mistral-small-24b-instruct-2501:free mistral-small-2603 mistral-small-3.1-24b-instruct mistral-small-3.2-24b-instruct mistral-small-latest mistral-tiny mixtral-8x22b-instruct mixtral-8x7b mixtral-8x7b-32768 moderation moonshot-v1-128k moonshot-v1-32k moonshot-v1-8k moonshotai/kimi-k2-instruct' K='models' ;;
    '1 n') W='nex-auto nex-embed-zh nex-pro nex-reasoning' K='models' ;;
    '1 o') W='o1 o1-mini o1-preview o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b' K='models' ;;
    '1 p') W='pixtral-12b pixtral-large' K='models' ;;
    '1 q') W='qwen/qwen3-32b qwen/qwen3.8-27b' K='models' ;;
    '1 t') W='text-davinci-002 text-davinci-003 text-embedding-3-large text-embedding-3-small text-embedding-ada-002 tts-1 tts-1-hd' K='models' ;;
    '1 v') W='voxtral-mini-2602 voxtral-mini-transcribe-3-0 voxtral-mini-transcribe-realtime-2602 voxtral-mini-transcribe-realtime-3-0 voxtral-small-24b-2507 voxtral-small-transcribe-3-0' K='models' ;;
    '1 w') W='whisper-1 whisper-large-v3 whisper-large-v3-turbo' K='models' ;;
    '1 z') W='zai-glm-5-3 zai-glm-5-3-flash' K='models' ;;
    '1 '*) K='models' ;;
    '2 '*) W='nextoken nexrelay deeptoken nexu tokenok anthropic deepseek google groq minimax mistral moonshotai openai zai' K='books' F='files' ;;
    '3 '*) : ;;
    '4 '*) F='files' ;;
    '5 '*) W='local' K='profiles' ;;
    '6 '*) W='table json jsonl csv tsv name' ;;
    '7 '*) W='table json jsonl csv tsv name markdown' ;;
    '8 '*) W='book model provider context input output' ;;
    '9 '*) K='keys' ;;
    '10 '*) W='active disabled revoked expired' ;;
    '11 '*) W='median p90' ;;
    '12 '*) W='business consumer' ;;
    '13 '*) W='invoice credit_note void' ;;
    '14 '*) W='csv jsonl parquet xlsx focus' ;;
    '15 '*) W='rfc4180 excel excel-de' ;;
    '16 '*) W='ok partial error cancelled' ;;
    '17 '*) W='local' K='profiles' F='files' ;;
    '18 '*) K='batches' ;;
    '19 '*) W='strict fallback' ;;
    '20 '*) W='owner admin member billing' ;;
    '21 '*) W='on off' ;;
    '22 '*) W='sandbox manual stripe' ;;
    '23 '*) W='active suspended' ;;
    '24 '*) W='models providers denied rpm concurrency quota discount' ;;
    '25 '*) W='owner billing support read-only' ;;
    '26 '*) W='pending delivered failed dropped' ;;
    '27 '*) W='openai echo' ;;
    '28 '*) W='model provider customer month' ;;
    '29 '*) W='given active past_due cancelled none' ;;
    '30 '*) W='open redeemed expired void' ;;
    '31 '*) W='default_profile output color timeout no_input plain model books' ;;
    '32 '*) W='embedded nexctl openai' ;;
    '33 '*) W='bash zsh fish powershell' ;;
    '34 '*) W='estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help output exit-codes environment profiles money' ;;
  esac
}

# Adds the words of $1 that begin with $2 to COMPREPLY, with $3 before each.
_nexctl_add() {
  local word
  for word in $1; do
    case $word in "$2"*) COMPREPLY+=("$3$word") ;; esac
  done
}

_nexctl_cached() {
  local folder line
  if [ -n "${NEXCTL_CONFIG_DIR-}" ]; then
    folder=$NEXCTL_CONFIG_DIR/cache
  else
    case ${XDG_CACHE_HOME-} in
      /*) folder=$XDG_CACHE_HOME/nexctl ;;
      *) case $OSTYPE in
        darwin*) folder=$HOME/Library/Caches/nexctl ;;
        *) folder=$HOME/.cache/nexctl ;;
      esac ;;
    esac
  fi
  [ -r "$folder/complete/$1" ] || return 0
  while IFS= read -r line; do
    case $line in
      ''|-*|*[!A-Za-z0-9._:/@-]*) ;;
      "$2"*) COMPREPLY+=("$line") ;;
    esac
  done < "$folder/complete/$1"
}

# Adds the values of number $1 that begin with $2.
_nexctl_offer() {
  local W K F kind
  _nexctl_values "$1 ${2:0:1}"
  _nexctl_add "$W" "$2"
  for kind in $K; do _nexctl_cached "$kind" "$2"; done
  [ -n "$F" ] && [ ${#COMPREPLY[@]} -eq 0 ] || return 0
  if type compopt >/dev/null 2>&1; then
    if [ "$F" = folders ]; then compopt -o dirnames; else compopt -o default; fi
    return 0
  fi
  local file
  for file in "$2"*; do
    if [ -d "$file" ]; then
      COMPREPLY+=("$file/")
    elif [ "$F" = files ] && [ -e "$file" ]; then
      COMPREPLY+=("$file")
    fi
  done
}

_nexctl() {
  local IFS=$' \t\n' R N V A
  local word words count=0 glue='' index path='' expect='' ended='' placed=0 letters cur head
  words=()
  COMPREPLY=()
  # bash cuts words at = : and @; put them together again.
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    if [ -n "$glue" ]; then
      words[count - 1]+=$word
      glue=
    elif [[ $count -gt 0 && ( $word == [:@] ||
            ( $word == = && ${words[count - 1]} == --* ) ) ]]; then
      words[count - 1]+=$word
      glue=1
    else
      words[count]=$word
      count=$((count + 1))
    fi
  done
  [ $count -gt 0 ] || return 0
  cur=${words[count - 1]}
  for ((index = 0; index < count - 1; index++)); do
    word=${words[index]}
    if [ -n "$expect" ]; then expect=; continue; fi
    if [ -z "$ended" ]; then
      case $word in
        --) ended=1; continue ;;
        --*=*) continue ;;
        --*) _nexctl_takes "$path $word"; expect=$V; continue ;;
        -?*)
          letters=${word#-}
          while [ -n "$letters" ]; do
            _nexctl_takes "$path -${letters:0:1}"
            letters=${letters:1}
            if [ -n "$V" ]; then [ -n "$letters" ] || expect=$V; break; fi
          done
          continue ;;
      esac
    fi
    _nexctl_commands "$path"
    if [ -z "$R" ]; then placed=$((placed + 1)); continue; fi
    _nexctl_alias "$path $word"
    word=${N:-$word}
    case " $R " in *" $word "*) ;; *) return 0 ;; esac
    path="${path:+$path }$word"
    ended=
  done
  if [ -n "$expect" ]; then
    _nexctl_offer "$expect" "$cur"
  elif [ -z "$ended" ] && [[ $cur == --*=* ]]; then
    _nexctl_takes "$path ${cur%%=*}"
    cur=${cur#*=}
    [ -z "$V" ] || _nexctl_offer "$V" "$cur"
  elif [ -z "$ended" ] && [[ $cur == -* ]]; then
    _nexctl_options "$path"
    _nexctl_add "$R" "$cur"
  else
    _nexctl_commands "$path"
    if [ -n "$R" ]; then
      _nexctl_add "$R" "$cur"
    else
      _nexctl_arguments "$path"
      for V in $A; do
        if [ "$V" = + ]; then V=$word; break; fi
        word=$V
        [ $placed -gt 0 ] || break
        placed=$((placed - 1))
        V=
      done
      [ -z "$V" ] || _nexctl_offer "$V" "$cur"
    fi
  fi
  # readline replaces only what stands after the last of the characters it cuts at.
  case $cur in
    *[:@]*)
      head=${cur%"${cur##*[:@]}"}
      for ((index = 0; index < ${#COMPREPLY[@]}; index++)); do
        COMPREPLY[index]=${COMPREPLY[index]#"$head"}
      done ;;
  esac
}

complete -F _nexctl nexctl
