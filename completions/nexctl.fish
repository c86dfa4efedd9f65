# fish completion for nexctl. Generated: do not edit.

function __nexctl_commands
  set -g __nexctl_R
  switch "$argv[1]"
    case ''
      set -g __nexctl_R estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help
    case 'prices'
      set -g __nexctl_R list show compare whatif history markup validate update
    case 'models'
      set -g __nexctl_R list show
    case 'keys'
      set -g __nexctl_R create list show update disable enable rotate revoke import
    case 'provider-keys'
      set -g __nexctl_R list set remove
    case 'wallet'
      set -g __nexctl_R show topup topups submit redeem ledger packs policies list create set grants runway auto-topup
    case 'wallet auto-topup'
      set -g __nexctl_R set show off
    case 'subscription'
      set -g __nexctl_R show set contract
    case 'billing-profile'
      set -g __nexctl_R show set
    case 'invoices'
      set -g __nexctl_R list show download
    case 'usage'
      set -g __nexctl_R export summary list show tail audit calibrate
    case 'batch'
      set -g __nexctl_R make check quote submit status wait results retry cancel list run
    case 'budgets'
      set -g __nexctl_R list set remove
    case 'orgs'
      set -g __nexctl_R list show create set close policy pools
    case 'orgs pools'
      set -g __nexctl_R list create transfer
    case 'projects'
      set -g __nexctl_R list create set archive
    case 'members'
      set -g __nexctl_R list add set remove
    case 'alerts'
      set -g __nexctl_R show set
    case 'webhooks'
      set -g __nexctl_R endpoints
    case 'webhooks endpoints'
      set -g __nexctl_R list add remove
    case 'audit-log'
      set -g __nexctl_R list
    case 'routes'
      set -g __nexctl_R show set remove cache
    case 'gateway'
      set -g __nexctl_R init serve status resume pay backup restore verify migrate
    case 'admin'
      set -g __nexctl_R customers keys operators webhooks audit-log payments providers models routes prices margin usage reconcile subscriptions codes terms invoices
    case 'admin customers'
      set -g __nexctl_R list create suspend credit review policy contract import
    case 'admin keys'
      set -g __nexctl_R list disable enable revoke
    case 'admin operators'
      set -g __nexctl_R list create revoke
    case 'admin webhooks'
      set -g __nexctl_R endpoints deliveries deliver replay
    case 'admin webhooks endpoints'
      set -g __nexctl_R list add remove
    case 'admin audit-log'
      set -g __nexctl_R list export verify
    case 'admin payments'
      set -g __nexctl_R list submit approve reject refund
    case 'admin providers'
      set -g __nexctl_R list add set remove cost
    case 'admin models'
      set -g __nexctl_R list set
    case 'admin routes'
      set -g __nexctl_R list set remove
    case 'admin prices'
      set -g __nexctl_R list draft diff apply
    case 'admin subscriptions'
      set -g __nexctl_R list set
    case 'admin codes'
      set -g __nexctl_R list create
    case 'admin terms'
      set -g __nexctl_R show set
    case 'admin invoices'
      set -g __nexctl_R list void
    case 'auth'
      set -g __nexctl_R login logout status
    case 'config'
      set -g __nexctl_R list get set path edit
    case 'profile'
      set -g __nexctl_R list add use remove
    case 'completion'
      set -g __nexctl_R bash zsh fish powershell install
  end
end

function __nexctl_alias
  set -g __nexctl_N
  switch "$argv[1]"
    case ' estimate-cost'
      set -g __nexctl_N estimate
    case ' price'
      set -g __nexctl_N prices
  end
end

function __nexctl_options
  set -g __nexctl_R
  switch "$argv[1]"
    case ''
      set -g __nexctl_R -V --version -h --help
    case 'estimate'
      set -g __nexctl_R -m --model --on --output-tokens --tier --plan --byok --chat --calibration --all-models --cached --batch --volume --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'diff'
      set -g __nexctl_R -m --model --on --output-tokens --tier --plan --byok --chat --calibration --volume --fail-over -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'tokenize'
      set -g __nexctl_R -m --model --tokenizer --on --ids --pieces -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices' 'models' 'keys' 'provider-keys' 'wallet' 'wallet auto-topup' 'subscription' 'billing-profile' 'invoices' 'usage' 'batch' 'budgets' 'orgs' 'orgs pools' 'projects' 'members' 'alerts' 'webhooks' 'webhooks endpoints' 'audit-log' 'routes' 'gateway' 'admin' 'admin customers' 'admin keys' 'admin operators' 'admin webhooks' 'admin webhooks endpoints' 'admin audit-log' 'admin payments' 'admin providers' 'admin models' 'admin routes' 'admin prices' 'admin subscriptions' 'admin codes' 'admin terms' 'admin invoices' 'auth' 'config' 'profile' 'completion'
      set -g __nexctl_R -h --help
    case 'prices list'
      set -g __nexctl_R --on --tag --provider --capability --match --sort --reverse --at --books -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices show'
      set -g __nexctl_R --on --at --rules --plans -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices compare'
      set -g __nexctl_R --on --input --cached --output-tokens --requests --batch --tier --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices whatif'
      set -g __nexctl_R --usage --on --map --book --at --normal-rates -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices history'
      set -g __nexctl_R --on -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices markup'
      set -g __nexctl_R --on --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices validate' 'keys show' 'provider-keys list' 'wallet packs' 'wallet policies' 'wallet list' 'subscription show' 'subscription contract' 'billing-profile show' 'invoices show' 'invoices download' 'usage show' 'batch status' 'orgs list' 'orgs show' 'orgs pools list' 'alerts show' 'webhooks endpoints list' 'routes show' 'gateway status' 'admin operators list' 'admin webhooks endpoints list' 'admin audit-log verify' 'admin providers list' 'admin models list' 'admin routes list' 'admin prices list' 'admin terms show' 'config get' 'config path' 'config edit' 'profile list' 'completion bash' 'completion zsh' 'completion fish' 'completion powershell' 'help'
      set -g __nexctl_R -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'prices update'
      set -g __nexctl_R --at --accept -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'models list'
      set -g __nexctl_R --kind --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'models show' 'wallet show' 'projects list' 'members list'
      set -g __nexctl_R --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'chat'
      set -g __nexctl_R -m --model --system --max-tokens --request-id --no-stream -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys create'
      set -g __nexctl_R --name --budget --expires -m --model --ip --rpm --label --parent --project --member --if-not-exists --write --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys list'
      set -g __nexctl_R --name --parent --state --all --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys update'
      set -g __nexctl_R --name --budget --expires -m --model --ip --rpm --label --no-budget --no-expiry --no-rpm --any-model --any-ip --no-labels -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys disable' 'keys enable' 'provider-keys remove' 'wallet grants' 'batch cancel' 'budgets remove' 'orgs close' 'orgs pools create' 'webhooks endpoints remove' 'routes remove' 'routes cache' 'gateway resume' 'gateway pay' 'gateway backup' 'gateway restore' 'gateway migrate' 'admin keys disable' 'admin keys enable' 'admin keys revoke' 'admin operators revoke' 'admin webhooks endpoints remove' 'admin webhooks deliver' 'admin webhooks replay' 'admin providers remove' 'admin routes remove' 'admin terms set' 'profile use' 'profile remove' 'completion install'
      set -g __nexctl_R -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys rotate'
      set -g __nexctl_R --overlap --check --finish --now --write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys revoke'
      set -g __nexctl_R --all --older-than -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'keys import' 'admin customers import'
      set -g __nexctl_R --write -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'provider-keys set'
      set -g __nexctl_R --key-file -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet topup' 'recharge'
      set -g __nexctl_R --pack --method --promo --network --wallet --wait --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet topups'
      set -g __nexctl_R --state --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet submit' 'admin payments submit'
      set -g __nexctl_R --transaction --sender -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet redeem'
      set -g __nexctl_R --idempotency-key -y --yes -n --dry-run --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet ledger'
      set -g __nexctl_R --from --to --kind --wallet --limit --org -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet create'
      set -g __nexctl_R --key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet set'
      set -g __nexctl_R --name --key --no-keys -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet runway'
      set -g __nexctl_R --min-days --by --history --usage -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet auto-topup set'
      set -g __nexctl_R --below --amount --target --monthly-budget --method --wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet auto-topup show'
      set -g __nexctl_R --wallet -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'wallet auto-topup off' 'orgs set'
      set -g __nexctl_R --wallet -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'subscription set'
      set -g __nexctl_R --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'billing-profile set'
      set -g __nexctl_R --name --country --kind --tax-id --address --email --purchase-order -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'invoices list'
      set -g __nexctl_R --kind -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'statement'
      set -g __nexctl_R --month --wallet --entries -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage export'
      set -g __nexctl_R --format --csv-style --month --from --to --timezone --key -m --model --project --label --status --wallet --totals --resume --since-last -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage summary'
      set -g __nexctl_R --by --month --from --to --key -m --model --project --label --status --wallet --chart --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage list'
      set -g __nexctl_R --month --from --to --key -m --model --project --label --status --wallet --limit -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage tail'
      set -g __nexctl_R --key -m --model --project --label --status --wallet --from --limit --interval -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage audit'
      set -g __nexctl_R --book --against --batch --map --statement --wallet --month --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'usage calibrate'
      set -g __nexctl_R --prompts --usage --from --book --out -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch make'
      set -g __nexctl_R --template --rows -m --model --max-tokens --system --id-column --out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch check'
      set -g __nexctl_R --for --split --max-tokens --max-requests --queue-tokens -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch quote'
      set -g __nexctl_R --split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch submit'
      set -g __nexctl_R --split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch wait'
      set -g __nexctl_R --poll -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch results'
      set -g __nexctl_R --out -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch retry'
      set -g __nexctl_R --poll --out --max-cost --money-added -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch list' 'admin subscriptions list' 'admin codes list'
      set -g __nexctl_R --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'batch run'
      set -g __nexctl_R --out --split --max-tokens --max-requests --queue-tokens --on --tier --plan --max-cost --poll --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'budgets list'
      set -g __nexctl_R --key --org --project --member -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'budgets set'
      set -g __nexctl_R --key --org --project --member --name --meter --model --soft --alert-at --no-alerts -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'orgs create'
      set -g __nexctl_R --name --wallet --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'orgs policy'
      set -g __nexctl_R --model --ip --member-budget --project-budget --soft --all-models --all-ips --no-budgets -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'orgs pools transfer'
      set -g __nexctl_R --to --from --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'projects create'
      set -g __nexctl_R --org --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'projects set'
      set -g __nexctl_R --org --name --pool -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'projects archive' 'members remove'
      set -g __nexctl_R --org -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'members add' 'members set'
      set -g __nexctl_R --org --role -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'alerts set'
      set -g __nexctl_R --email --no-email --webhooks --no-webhooks --percent --below -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'webhooks endpoints add'
      set -g __nexctl_R --event --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'audit-log list'
      set -g __nexctl_R --action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'routes set'
      set -g __nexctl_R --for-model --tools --no-tools --vision --no-vision --min-input --max-input --label --first -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'gateway init'
      set -g __nexctl_R --book --plan --database --payments --stripe-url --stripe-key-env --stripe-secret-env --upstream --upstream-key-env --allow-private --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'gateway serve'
      set -g __nexctl_R --host --port --tls-cert --tls-key --behind-proxy --allowed-host --max-calls -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'gateway verify'
      set -g __nexctl_R --anchors --write-anchors -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers list'
      set -g __nexctl_R --name --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers create'
      set -g __nexctl_R --plan --email --external-id --label --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers suspend'
      set -g __nexctl_R --resume --reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers credit'
      set -g __nexctl_R --note --take --request-id --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers review'
      set -g __nexctl_R --note --wallet --forgive-debt -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers policy'
      set -g __nexctl_R --model --provider --deny-provider --rpm --concurrency --quota --discount --clear -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin customers contract'
      set -g __nexctl_R --amount --from --to --sla --capacity --note --end -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin keys list'
      set -g __nexctl_R --customer --state -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin operators create'
      set -g __nexctl_R --role --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin webhooks endpoints add'
      set -g __nexctl_R --event --note --write --idempotency-key --allow-private -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin webhooks deliveries'
      set -g __nexctl_R --state --endpoint --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin audit-log list'
      set -g __nexctl_R --customer --action --actor --from --to -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin audit-log export'
      set -g __nexctl_R --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin payments list'
      set -g __nexctl_R --state --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin payments approve'
      set -g __nexctl_R --transaction --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin payments reject' 'admin invoices void'
      set -g __nexctl_R --reason -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin payments refund'
      set -g __nexctl_R --amount --reason --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin providers add'
      set -g __nexctl_R --kind --url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --disabled -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin providers set'
      set -g __nexctl_R --url --key-env --key-file --serves --priority --allow-private --timeout-seconds --option --serves-all --no-key --no-options --enable --disable -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin providers cost'
      set -g __nexctl_R --book --toml -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin models set'
      set -g __nexctl_R --enable --disable --alias --no-aliases -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin routes set'
      set -g __nexctl_R --fallback --no-fallback -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin prices draft'
      set -g __nexctl_R --markup -m --model --remove --at --places --credit-rate --write -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin prices diff'
      set -g __nexctl_R --at -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin prices apply'
      set -g __nexctl_R --at --accept --note -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin margin'
      set -g __nexctl_R --before-opening --prices --by --from --to --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin usage'
      set -g __nexctl_R --from --to --customer -m --model -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin reconcile'
      set -g __nexctl_R --month -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin subscriptions set'
      set -g __nexctl_R --charge --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin codes create'
      set -g __nexctl_R --promo --uses --count --expires --credits-expire --note --write --idempotency-key -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'admin invoices list'
      set -g __nexctl_R --kind --customer -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'auth login'
      set -g __nexctl_R --operator --key-file --no-check -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'auth logout'
      set -g __nexctl_R --operator --all -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'auth status' 'doctor'
      set -g __nexctl_R --offline -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'config list'
      set -g __nexctl_R --show-origin -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'config set'
      set -g __nexctl_R --unset -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
    case 'profile add'
      set -g __nexctl_R --driver --base-url --book --plan --tier --model --calibration --org --use -y --yes -n --dry-run -p --profile -o --output -q --quiet -v --verbose --debug --no-input --timeout --color --no-color -h --help
  end
end

function __nexctl_arguments
  set -g __nexctl_A
  switch "$argv[1]"
    case 'estimate'
      set -g __nexctl_A 4 +
    case 'diff'
      set -g __nexctl_A 4 +
    case 'tokenize'
      set -g __nexctl_A 4 +
    case 'prices show'
      set -g __nexctl_A 1
    case 'prices compare'
      set -g __nexctl_A 1 +
    case 'prices history'
      set -g __nexctl_A 1
    case 'prices markup'
      set -g __nexctl_A 1
    case 'prices validate'
      set -g __nexctl_A 4 +
    case 'models show'
      set -g __nexctl_A 1
    case 'chat'
      set -g __nexctl_A 4
    case 'keys show'
      set -g __nexctl_A 9
    case 'keys update'
      set -g __nexctl_A 9
    case 'keys disable'
      set -g __nexctl_A 9 +
    case 'keys enable'
      set -g __nexctl_A 9 +
    case 'keys rotate'
      set -g __nexctl_A 9
    case 'keys revoke'
      set -g __nexctl_A 9 +
    case 'keys import'
      set -g __nexctl_A 4
    case 'provider-keys set'
      set -g __nexctl_A 3
    case 'provider-keys remove'
      set -g __nexctl_A 3
    case 'wallet topup'
      set -g __nexctl_A 3
    case 'wallet topups'
      set -g __nexctl_A 3
    case 'wallet submit'
      set -g __nexctl_A 3
    case 'wallet redeem'
      set -g __nexctl_A 3
    case 'wallet policies'
      set -g __nexctl_A 3
    case 'wallet create'
      set -g __nexctl_A 3
    case 'wallet set'
      set -g __nexctl_A 3
    case 'wallet grants'
      set -g __nexctl_A 3 3
    case 'recharge'
      set -g __nexctl_A 3
    case 'subscription set'
      set -g __nexctl_A 3
    case 'invoices show'
      set -g __nexctl_A 3
    case 'invoices download'
      set -g __nexctl_A 3 4
    case 'usage export'
      set -g __nexctl_A 4
    case 'usage show'
      set -g __nexctl_A 3
    case 'usage audit'
      set -g __nexctl_A 4
    case 'batch check'
      set -g __nexctl_A 4
    case 'batch quote'
      set -g __nexctl_A 4
    case 'batch submit'
      set -g __nexctl_A 4
    case 'batch status'
      set -g __nexctl_A 18
    case 'batch wait'
      set -g __nexctl_A 18
    case 'batch results'
      set -g __nexctl_A 18
    case 'batch retry'
      set -g __nexctl_A 18
    case 'batch cancel'
      set -g __nexctl_A 18
    case 'batch run'
      set -g __nexctl_A 4
    case 'budgets set'
      set -g __nexctl_A 3
    case 'budgets remove'
      set -g __nexctl_A 3
    case 'orgs show'
      set -g __nexctl_A 3
    case 'orgs create'
      set -g __nexctl_A 3
    case 'orgs set'
      set -g __nexctl_A 3
    case 'orgs close'
      set -g __nexctl_A 3
    case 'orgs policy'
      set -g __nexctl_A 3
    case 'orgs pools list'
      set -g __nexctl_A 3
    case 'orgs pools create'
      set -g __nexctl_A 3 3
    case 'orgs pools transfer'
      set -g __nexctl_A 3 3
    case 'projects create'
      set -g __nexctl_A 3
    case 'projects set'
      set -g __nexctl_A 3
    case 'projects archive'
      set -g __nexctl_A 3
    case 'members add'
      set -g __nexctl_A 3
    case 'members set'
      set -g __nexctl_A 3
    case 'members remove'
      set -g __nexctl_A 3
    case 'webhooks endpoints add'
      set -g __nexctl_A 3
    case 'webhooks endpoints remove'
      set -g __nexctl_A 3
    case 'routes set'
      set -g __nexctl_A 3 1 +
    case 'routes remove'
      set -g __nexctl_A 3
    case 'routes cache'
      set -g __nexctl_A 21
    case 'gateway init'
      set -g __nexctl_A 3
    case 'gateway pay'
      set -g __nexctl_A 3
    case 'gateway backup'
      set -g __nexctl_A 4
    case 'gateway restore'
      set -g __nexctl_A 4
    case 'admin customers create'
      set -g __nexctl_A 3
    case 'admin customers suspend'
      set -g __nexctl_A 3
    case 'admin customers credit'
      set -g __nexctl_A 3 3
    case 'admin customers review'
      set -g __nexctl_A 3
    case 'admin customers policy'
      set -g __nexctl_A 3
    case 'admin customers contract'
      set -g __nexctl_A 3
    case 'admin customers import'
      set -g __nexctl_A 4
    case 'admin keys disable'
      set -g __nexctl_A 3
    case 'admin keys enable'
      set -g __nexctl_A 3
    case 'admin keys revoke'
      set -g __nexctl_A 3
    case 'admin operators create'
      set -g __nexctl_A 3
    case 'admin operators revoke'
      set -g __nexctl_A 3
    case 'admin webhooks endpoints add'
      set -g __nexctl_A 3
    case 'admin webhooks endpoints remove'
      set -g __nexctl_A 3
    case 'admin webhooks replay'
      set -g __nexctl_A 3
    case 'admin audit-log export'
      set -g __nexctl_A 3
    case 'admin audit-log verify'
      set -g __nexctl_A 4
    case 'admin payments submit'
      set -g __nexctl_A 3
    case 'admin payments approve'
      set -g __nexctl_A 3
    case 'admin payments reject'
      set -g __nexctl_A 3
    case 'admin payments refund'
      set -g __nexctl_A 3
    case 'admin providers add'
      set -g __nexctl_A 3
    case 'admin providers set'
      set -g __nexctl_A 3
    case 'admin providers remove'
      set -g __nexctl_A 3
    case 'admin providers cost'
      set -g __nexctl_A 3
    case 'admin models set'
      set -g __nexctl_A 1
    case 'admin routes set'
      set -g __nexctl_A 3 1 +
    case 'admin routes remove'
      set -g __nexctl_A 3
    case 'admin prices diff'
      set -g __nexctl_A 4
    case 'admin prices apply'
      set -g __nexctl_A 4
    case 'admin subscriptions set'
      set -g __nexctl_A 3 3
    case 'admin codes create'
      set -g __nexctl_A 3
    case 'admin terms set'
      set -g __nexctl_A 4
    case 'admin invoices void'
      set -g __nexctl_A 3
    case 'config get'
      set -g __nexctl_A 31
    case 'config set'
      set -g __nexctl_A 31 3
    case 'profile add'
      set -g __nexctl_A 3
    case 'profile use'
      set -g __nexctl_A 5
    case 'profile remove'
      set -g __nexctl_A 5
    case 'completion install'
      set -g __nexctl_A 33
    case 'help'
      set -g __nexctl_A 34 +
  end
end

function __nexctl_values
  set -g __nexctl_W
  set -g __nexctl_K
  set -g __nexctl_F
  switch "$argv[1]"
    case '1 '
      set -g __nexctl_W 'GLM-4-32B-0414-128K GLM-4.5 GLM-4.5-Air GLM-4.5-AirX GLM-4.5-X GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.6V-FlashX GLM-4.7 GLM-4.7-FlashX GLM-5 GLM-5.1 GLM-5.2 GLM-5.3 GLM-5.3-Flash GLM-5.3-FlashX GLM-OCR M2-her MiniMax-M2 MiniMax-M2.1-highspeed MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3.1-Flash ada babbage babbage-002 canopylabs/orpheus-arabic-saudi canopylabs/orpheus-v1-english chatgpt-4o-latest chatgpt-image-latest claude-2 claude-3-5-haiku claude-3-5-haiku-latest claude-3-5-sonnet claude-3-7-sonnet claude-3-7-sonnet-latest claude-3-haiku claude-3-opus claude-3-opus-latest claude-3-sonnet claude-4-opus claude-4-sonnet claude-fable-5 claude-fable-5-1 claude-fable-5-2 claude-haiku-4 claude-haiku-4-5 claude-haiku-5-5 claude-mythos-5-2 claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-sonnet-class claude-v1 codestral codestral-2508 codestral-embed-2505 codex-mini computer-use curie davinci davinci-002 deepseek-chat deepseek-flash deepseek-r1-distill-llama-70b deepseek-reasoner deepseek-reasoning-class deepseek-v3 deepseek-v3.1-terminus deepseek-v3.2 deepseek-v3.2-exp deepseek-v4-1-flash-1017 deepseek-v4-flash deepseek-v4-pro devstral-2512 devstral-small devstral-small:free ft:gpt-3.5-turbo- ft:gpt-4o ft:gpt-4o-mini gemini-1.0-pro-vision-001 gemini-1.5-flash gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-image gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-tts gemini-2.5-flash-preview gemini-2.5-flash-tts gemini-2.5-pro gemini-2.5-pro-tts gemini-3-flash-preview gemini-3-pro-image-preview gemini-3-pro-preview gemini-3.1-flash-image-preview gemini-3.1-flash-lite gemini-3.1-flash-lite-image gemini-3.1-flash-lite-preview gemini-3.1-flash-live-preview gemini-3.1-flash-tts-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-3.8-live gemini-4-argon gemini-embedding-001 gemini-embedding-2 gemini-flash-1.5 gemini-flash-1.5-8b gemini-live-2.5-flash gemini-nano-banana-2.1 gemini-omni-1.1-flash gemini-omni-flash-preview gemini-pro gemini-pro-1.5 gemini-robotics-er-2-preview gemini-robotics-er-2-streaming-preview gemma-2-27b-it gemma-3 gemma-3n gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas gemma-4-31b-it gemma-7b-it gemma2-9b-it glm-5 glm-5-turbo gpt-3.5-0301 gpt-3.5-turbo gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct gpt-4 gpt-4-32k gpt-4-turbo gpt-4-vision-preview gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4.5-preview gpt-4o gpt-4o-2024-05-13 gpt-4o-audio-preview gpt-4o-mini gpt-4o-mini-2024-07-18.ft- gpt-4o-mini-audio-preview gpt-4o-mini-realtime-preview gpt-4o-mini-transcribe gpt-4o-mini-tts gpt-4o-realtime-preview gpt-4o-search-preview gpt-4o-transcribe gpt-4o:extended gpt-5 gpt-5-image gpt-5-image-mini gpt-5-mini gpt-5-nano gpt-5-pro gpt-5-search-api gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro gpt-5.3 gpt-5.3-codex gpt-5.4 gpt-5.4-image-2 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-cyber gpt-5.5-pro gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-audio gpt-audio-mini gpt-chat-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-live-1 gpt-live-transcribe gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b gpt-realtime gpt-realtime-2 gpt-realtime-mini gpt-realtime-translate gpt-realtime-whisper gpt-rosalind-discovery gpt-rosalind-research gpt-transcribe image-video-models kimi-k2 kimi-k2-0711-preview kimi-k2-0905-preview kimi-k2-thinking kimi-k2-thinking-turbo kimi-k2-turbo-preview kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3 kimi-k3.1-pro kimi-k3.1-pro-highspeed llama-3.1-405b-reasoning llama-3.1-70b-versatile llama-3.1-8b-instant llama-3.2-11b-text-preview llama-3.2-11b-vision-preview llama-3.2-1b-preview llama-3.2-3b-preview llama-3.2-90b-text-preview llama-3.2-90b-vision-preview llama-3.3-70b llama-3.3-70b-specdec llama-3.3-70b-versatile llama-guard-3-8b llama2-70b-4096 llama3-70b-8192 llama3-8b-8192 llama3-groq-70b-8192-tool-use-preview llama3-groq-8b-8192-tool-use-preview magistral-medium magistral-small meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-guard-4-12b meta-llama/llama-prompt-guard-2-22m meta-llama/llama-prompt-guard-2-86m mimo-v2-pro minimax-01 minimax-m1 minimax-m2.7 minimax-m3 ministral-14b-2512 ministral-3b ministral-3b-2512 ministral-8b ministral-8b-2512 ministral-8b-latest mistral-7b mistral-embed mistral-large mistral-large-2 mistral-large-2512 mistral-large-4 mistral-medium-2312 mistral-medium-3-1 mistral-medium-3-5 mistral-medium-latest mistral-nemo mistral-nemo:free mistral-ocr-2503 mistral-ocr-2505 mistral-ocr-2512 mistral-ocr-4-0 mistral-ocr-4-1 mistral-ocr-latest mistral-saba mistral-saba-24b mistral-small-24b-instruct-2501 mistral-small-24b-instruct-2501:free mistral-small-2603 mistral-small-3.1-24b-instruct mistral-small-3.2-24b-instruct mistral-small-latest mistral-tiny mixtral-8x22b-instruct mixtral-8x7b mixtral-8x7b-32768 moderation moonshot-v1-128k moonshot-v1-32k moonshot-v1-8k moonshotai/kimi-k2-instruct nex-auto nex-embed-zh nex-pro nex-reasoning o1 o1-mini o1-preview o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b pixtral-12b pixtral-large qwen/qwen3-32b qwen/qwen3.8-27b text-davinci-002 text-davinci-003 text-embedding-3-large text-embedding-3-small text-embedding-ada-002 tts-1 tts-1-hd voxtral-mini-2602 voxtral-mini-transcribe-3-0 voxtral-mini-transcribe-realtime-2602 voxtral-mini-transcribe-realtime-3-0 voxtral-small-24b-2507 voxtral-small-transcribe-3-0 whisper-1 whisper-large-v3 whisper-large-v3-turbo zai-glm-5-3 zai-glm-5-3-flash'
      set -g __nexctl_K models
    case '1 G*'
      set -g __nexctl_W 'GLM-4-32B-0414-128K GLM-4.5 GLM-4.5-Air GLM-4.5-AirX GLM-4.5-X GLM-4.5V GLM-4.6 GLM-4.6V GLM-4.6V-FlashX GLM-4.7 GLM-4.7-FlashX GLM-5 GLM-5.1 GLM-5.2 GLM-5.3 GLM-5.3-Flash GLM-5.3-FlashX GLM-OCR'
      set -g __nexctl_K models
    case '1 M*'
      set -g __nexctl_W 'M2-her MiniMax-M2 MiniMax-M2.1-highspeed MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3.1-Flash'
      set -g __nexctl_K models
    case '1 a*'
      set -g __nexctl_W 'ada'
      set -g __nexctl_K models
    case '1 b*'
      set -g __nexctl_W 'babbage babbage-002'
      set -g __nexctl_K models
    case '1 c*'
      set -g __nexctl_W 'canopylabs/orpheus-arabic-saudi canopylabs/orpheus-v1-english chatgpt-4o-latest chatgpt-image-latest claude-2 claude-3-5-haiku claude-3-5-haiku-latest claude-3-5-sonnet claude-3-7-sonnet claude-3-7-sonnet-latest claude-3-haiku claude-3-opus claude-3-opus-latest claude-3-sonnet claude-4-opus claude-4-sonnet claude-fable-5 claude-fable-5-1 claude-fable-5-2 claude-haiku-4 claude-haiku-4-5 claude-haiku-5-5 claude-mythos-5-2 claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-sonnet-class claude-v1 codestral codestral-2508 codestral-embed-2505 codex-mini computer-use curie'
      set -g __nexctl_K models
    case '1 d*'
      set -g __nexctl_W 'davinci davinci-002 deepseek-chat deepseek-flash deepseek-r1-distill-llama-70b deepseek-reasoner deepseek-reasoning-class deepseek-v3 deepseek-v3.1-terminus deepseek-v3.2 deepseek-v3.2-exp deepseek-v4-1-flash-1017 deepseek-v4-flash deepseek-v4-pro devstral-2512 devstral-small devstral-small:free'
      set -g __nexctl_K models
    case '1 f*'
      set -g __nexctl_W 'ft:gpt-3.5-turbo- ft:gpt-4o ft:gpt-4o-mini'
      set -g __nexctl_K models
    case '1 g*'
      set -g __nexctl_W 'gemini-1.0-pro-vision-001 gemini-1.5-flash gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-image gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-tts gemini-2.5-flash-preview gemini-2.5-flash-tts gemini-2.5-pro gemini-2.5-pro-tts gemini-3-flash-preview gemini-3-pro-image-preview gemini-3-pro-preview gemini-3.1-flash-image-preview gemini-3.1-flash-lite gemini-3.1-flash-lite-image gemini-3.1-flash-lite-preview gemini-3.1-flash-live-preview gemini-3.1-flash-tts-preview gemini-3.1-pro-preview gemini-3.5-flash gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-3.8-live gemini-4-argon gemini-embedding-001 gemini-embedding-2 gemini-flash-1.5 gemini-flash-1.5-8b gemini-live-2.5-flash gemini-nano-banana-2.1 gemini-omni-1.1-flash gemini-omni-flash-preview gemini-pro gemini-pro-1.5 gemini-robotics-er-2-preview gemini-robotics-er-2-streaming-preview gemma-2-27b-it gemma-3 gemma-3n gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas gemma-4-31b-it gemma-7b-it gemma2-9b-it glm-5 glm-5-turbo gpt-3.5-0301 gpt-3.5-turbo gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-instruct gpt-4 gpt-4-32k gpt-4-turbo gpt-4-vision-preview gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4.5-preview gpt-4o gpt-4o-2024-05-13 gpt-4o-audio-preview gpt-4o-mini gpt-4o-mini-2024-07-18.ft- gpt-4o-mini-audio-preview gpt-4o-mini-realtime-preview gpt-4o-mini-transcribe gpt-4o-mini-tts gpt-4o-realtime-preview gpt-4o-search-preview gpt-4o-transcribe gpt-4o:extended gpt-5 gpt-5-image gpt-5-image-mini gpt-5-mini gpt-5-nano gpt-5-pro gpt-5-search-api gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro gpt-5.3 gpt-5.3-codex gpt-5.4 gpt-5.4-image-2 gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-cyber gpt-5.5-pro gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-audio gpt-audio-mini gpt-chat-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-live-1 gpt-live-transcribe gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b gpt-realtime gpt-realtime-2 gpt-realtime-mini gpt-realtime-translate gpt-realtime-whisper gpt-rosalind-discovery gpt-rosalind-research gpt-transcribe'
      set -g __nexctl_K models
    case '1 i*'
      set -g __nexctl_W 'image-video-models'
      set -g __nexctl_K models
    case '1 k*'
      set -g __nexctl_W 'kimi-k2 kimi-k2-0711-preview kimi-k2-0905-preview kimi-k2-thinking kimi-k2-thinking-turbo kimi-k2-turbo-preview kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3 kimi-k3.1-pro kimi-k3.1-pro-highspeed'
      set -g __nexctl_K models
    case '1 l*'
      set -g __nexctl_W 'llama-3.1-405b-reasoning llama-3.1-70b-versatile llama-3.1-8b-instant llama-3.2-11b-text-preview llama-3.2-11b-vision-preview llama-3.2-1b-preview llama-3.2-3b-preview llama-3.2-90b-text-preview llama-3.2-90b-vision-preview llama-3.3-70b llama-3.3-70b-specdec llama-3.3-70b-versatile llama-guard-3-8b llama2-70b-4096 llama3-70b-8192 llama3-8b-8192 llama3-groq-70b-8192-tool-use-preview llama3-groq-8b-8192-tool-use-preview'
      set -g __nexctl_K models
    case '1 m*'
      set -g __nexctl_W 'magistral-medium magistral-small meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-guard-4-12b meta-llama/llama-prompt-guard-2-22m meta-llama/llama-prompt-guard-2-86m mimo-v2-pro minimax-01 minimax-m1 minimax-m2.7 minimax-m3 ministral-14b-2512 ministral-3b ministral-3b-2512 ministral-8b ministral-8b-2512 ministral-8b-latest mistral-7b mistral-embed mistral-large mistral-large-2 mistral-large-2512 mistral-large-4 mistral-medium-2312 mistral-medium-3-1 mistral-medium-3-5 mistral-medium-latest mistral-nemo mistral-nemo:free mistral-ocr-2503 mistral-ocr-2505 mistral-ocr-2512 mistral-ocr-4-0 mistral-ocr-4-1 mistral-ocr-latest mistral-saba mistral-saba-24b mistral-small-24b-instruct-2501 mistral-small-24b-instruct-2501:free mistral-small-2603 mistral-small-3.1-24b-instruct mistral-small-3.2-24b-instruct mistral-small-latest mistral-tiny mixtral-8x22b-instruct mixtral-8x7b mixtral-8x7b-32768 moderation moonshot-v1-128k moonshot-v1-32k moonshot-v1-8k moonshotai/kimi-k2-instruct'
      set -g __nexctl_K models
    case '1 n*'
      set -g __nexctl_W 'nex-auto nex-embed-zh nex-pro nex-reasoning'
      set -g __nexctl_K models
    case '1 o*'
      set -g __nexctl_W 'o1 o1-mini o1-preview o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b'
      set -g __nexctl_K models
    case '1 p*'
      set -g __nexctl_W 'pixtral-12b pixtral-large'
      set -g __nexctl_K models
    case '1 q*'
      set -g __nexctl_W 'qwen/qwen3-32b qwen/qwen3.8-27b'
      set -g __nexctl_K models
    case '1 t*'
      set -g __nexctl_W 'text-davinci-002 text-davinci-003 text-embedding-3-large text-embedding-3-small text-embedding-ada-002 tts-1 tts-1-hd'
      set -g __nexctl_K models
    case '1 v*'
      set -g __nexctl_W 'voxtral-mini-2602 voxtral-mini-transcribe-3-0 voxtral-mini-transcribe-realtime-2602 voxtral-mini-transcribe-realtime-3-0 voxtral-small-24b-2507 voxtral-small-transcribe-3-0'
      set -g __nexctl_K models
    case '1 w*'
      set -g __nexctl_W 'whisper-1 whisper-large-v3 whisper-large-v3-turbo'
      set -g __nexctl_K models
    case '1 z*'
      set -g __nexctl_W 'zai-glm-5-3 zai-glm-5-3-flash'
      set -g __nexctl_K models
    case '1 *'
      set -g __nexctl_K models
    case '2 *'
      set -g __nexctl_W 'nextoken nexrelay deeptoken nexu tokenok anthropic deepseek google groq minimax mistral moonshotai openai zai'
      set -g __nexctl_K books
      set -g __nexctl_F files
    case '3 *'
    case '4 *'
      set -g __nexctl_F files
    case '5 *'
      set -g __nexctl_W 'local'
      set -g __nexctl_K profiles
    case '6 *'
      set -g __nexctl_W 'table json jsonl csv tsv name'
    case '7 *'
      set -g __nexctl_W 'table json jsonl csv tsv name markdown'
    case '8 *'
      set -g __nexctl_W 'book model provider context input output'
    case '9 *'
      set -g __nexctl_K keys
    case '10 *'
      set -g __nexctl_W 'active disabled revoked expired'
    case '11 *'
      set -g __nexctl_W 'median p90'
    case '12 *'
      set -g __nexctl_W 'business consumer'
    case '13 *'
      set -g __nexctl_W 'invoice credit_note void'
    case '14 *'
      set -g __nexctl_W 'csv jsonl parquet xlsx focus'
    case '15 *'
      set -g __nexctl_W 'rfc4180 excel excel-de'
    case '16 *'
      set -g __nexctl_W 'ok partial error cancelled'
    case '17 *'
      set -g __nexctl_W 'local'
      set -g __nexctl_K profiles
      set -g __nexctl_F files
    case '18 *'
      set -g __nexctl_K batches
    case '19 *'
      set -g __nexctl_W 'strict fallback'
    case '20 *'
      set -g __nexctl_W 'owner admin member billing'
    case '21 *'
      set -g __nexctl_W 'on off'
    case '22 *'
      set -g __nexctl_W 'sandbox manual stripe'
    case '23 *'
      set -g __nexctl_W 'active suspended'
    case '24 *'
      set -g __nexctl_W 'models providers denied rpm concurrency quota discount'
    case '25 *'
      set -g __nexctl_W 'owner billing support read-only'
    case '26 *'
      set -g __nexctl_W 'pending delivered failed dropped'
    case '27 *'
      set -g __nexctl_W 'openai echo'
    case '28 *'
      set -g __nexctl_W 'model provider customer month'
    case '29 *'
      set -g __nexctl_W 'given active past_due cancelled none'
    case '30 *'
      set -g __nexctl_W 'open redeemed expired void'
    case '31 *'
      set -g __nexctl_W 'default_profile output color timeout no_input plain model books'
    case '32 *'
      set -g __nexctl_W 'embedded nexctl openai'
    case '33 *'
      set -g __nexctl_W 'bash zsh fish powershell'
    case '34 *'
      set -g __nexctl_W 'estimate diff tokenize prices models chat keys provider-keys wallet recharge subscription billing-profile invoices statement usage batch budgets orgs projects members alerts webhooks audit-log routes gateway admin auth config profile completion doctor help output exit-codes environment profiles money'
  end
end

function __nexctl_takes
  set -g __nexctl_V
  switch "$argv[2]"
    case '-o'
      switch "$argv[1]"
        case 'diff'
          set -g __nexctl_V 7
        case '*'
          set -g __nexctl_V 6
      end
    case '--output'
      switch "$argv[1]"
        case 'diff'
          set -g __nexctl_V 7
        case '*'
          set -g __nexctl_V 6
      end
    case '--timeout'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '-p'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 5
      end
    case '--profile'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 5
      end
    case '--org'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--model'
      switch "$argv[1]"
        case 'budgets set' 'orgs policy' 'admin customers policy'
          set -g __nexctl_V 3
        case '*'
          set -g __nexctl_V 1
      end
    case '--idempotency-key'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--wallet'
      switch "$argv[1]"
        case 'orgs create' 'orgs set'
          set -g __nexctl_V 19
        case '*'
          set -g __nexctl_V 3
      end
    case '-m'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 1
      end
    case '--from'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--on'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 2
      end
    case '--write'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 4
      end
    case '--to'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--state'
      switch "$argv[1]"
        case 'keys list' 'admin keys list'
          set -g __nexctl_V 10
        case 'admin customers list'
          set -g __nexctl_V 23
        case 'admin webhooks deliveries'
          set -g __nexctl_V 26
        case 'admin subscriptions list'
          set -g __nexctl_V 29
        case 'admin codes list'
          set -g __nexctl_V 30
        case '*'
          set -g __nexctl_V 3
      end
    case '--at'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--name'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--key'
      switch "$argv[1]"
        case 'wallet create' 'wallet set'
          set -g __nexctl_V 3
        case '*'
          set -g __nexctl_V 9
      end
    case '--plan'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--label'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--note'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--customer'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--tier'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--project'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--book'
      switch "$argv[1]"
        case 'admin providers cost'
          set -g __nexctl_V 3
        case '*'
          set -g __nexctl_V 2
      end
    case '--kind'
      switch "$argv[1]"
        case 'billing-profile set'
          set -g __nexctl_V 12
        case 'invoices list' 'admin invoices list'
          set -g __nexctl_V 13
        case 'admin providers add'
          set -g __nexctl_V 27
        case '*'
          set -g __nexctl_V 3
      end
    case '--max-tokens'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--month'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--max-cost'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--out'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 4
      end
    case '--max-requests'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--queue-tokens'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--reason'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 3
      end
    case '--key-file'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 4
      end
    case '--status'
      switch "$argv[1]"
        case '*'
          set -g __nexctl_V 16
      end
    case '--output-tokens'
      switch "$argv[1]"
        case 'estimate' 'diff' 'prices compare'
          set -g __nexctl_V 3
      end
    case '--expires'
      switch "$argv[1]"
        case 'keys create' 'keys update' 'admin codes create'
          set -g __nexctl_V 3
      end
    case '--ip'
      switch "$argv[1]"
        case 'keys create' 'keys update' 'orgs policy'
          set -g __nexctl_V 3
      end
    case '--rpm'
      switch "$argv[1]"
        case 'keys create' 'keys update' 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--member'
      switch "$argv[1]"
        case 'keys create' 'budgets list' 'budgets set'
          set -g __nexctl_V 3
      end
    case '--method'
      switch "$argv[1]"
        case 'wallet topup' 'wallet auto-topup set' 'recharge'
          set -g __nexctl_V 3
      end
    case '--transaction'
      switch "$argv[1]"
        case 'wallet submit' 'admin payments submit' 'admin payments approve'
          set -g __nexctl_V 3
      end
    case '--limit'
      switch "$argv[1]"
        case 'wallet ledger' 'usage list' 'usage tail'
          set -g __nexctl_V 3
      end
    case '--amount'
      switch "$argv[1]"
        case 'wallet auto-topup set' 'admin customers contract' 'admin payments refund'
          set -g __nexctl_V 3
      end
    case '--email'
      switch "$argv[1]"
        case 'billing-profile set' 'alerts set' 'admin customers create'
          set -g __nexctl_V 3
      end
    case '--by'
      switch "$argv[1]"
        case 'usage summary'
          set -g __nexctl_V 3
        case 'wallet runway'
          set -g __nexctl_V 11
        case 'admin margin'
          set -g __nexctl_V 28
      end
    case '--poll'
      switch "$argv[1]"
        case 'batch wait' 'batch retry' 'batch run'
          set -g __nexctl_V 3
      end
    case '--calibration'
      switch "$argv[1]"
        case 'estimate' 'diff' 'profile add'
          set -g __nexctl_V 4
      end
    case '--usage'
      switch "$argv[1]"
        case 'prices whatif' 'wallet runway' 'usage calibrate'
          set -g __nexctl_V 4
      end
    case '--role'
      switch "$argv[1]"
        case 'members add' 'members set'
          set -g __nexctl_V 20
        case 'admin operators create'
          set -g __nexctl_V 25
      end
    case '--cached'
      switch "$argv[1]"
        case 'estimate' 'prices compare'
          set -g __nexctl_V 3
      end
    case '--volume'
      switch "$argv[1]"
        case 'estimate' 'diff'
          set -g __nexctl_V 3
      end
    case '--provider'
      switch "$argv[1]"
        case 'prices list' 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--map'
      switch "$argv[1]"
        case 'prices whatif' 'usage audit'
          set -g __nexctl_V 3
      end
    case '--accept'
      switch "$argv[1]"
        case 'prices update' 'admin prices apply'
          set -g __nexctl_V 3
      end
    case '--system'
      switch "$argv[1]"
        case 'chat'
          set -g __nexctl_V 3
        case 'batch make'
          set -g __nexctl_V 4
      end
    case '--request-id'
      switch "$argv[1]"
        case 'chat' 'admin customers credit'
          set -g __nexctl_V 3
      end
    case '--budget'
      switch "$argv[1]"
        case 'keys create' 'keys update'
          set -g __nexctl_V 3
      end
    case '--pack'
      switch "$argv[1]"
        case 'wallet topup' 'recharge'
          set -g __nexctl_V 3
      end
    case '--promo'
      switch "$argv[1]"
        case 'wallet topup' 'recharge'
          set -g __nexctl_V 3
      end
    case '--network'
      switch "$argv[1]"
        case 'wallet topup' 'recharge'
          set -g __nexctl_V 3
      end
    case '--sender'
      switch "$argv[1]"
        case 'wallet submit' 'admin payments submit'
          set -g __nexctl_V 3
      end
    case '--below'
      switch "$argv[1]"
        case 'wallet auto-topup set' 'alerts set'
          set -g __nexctl_V 3
      end
    case '--pool'
      switch "$argv[1]"
        case 'projects create' 'projects set'
          set -g __nexctl_V 3
      end
    case '--event'
      switch "$argv[1]"
        case 'webhooks endpoints add' 'admin webhooks endpoints add'
          set -g __nexctl_V 3
      end
    case '--action'
      switch "$argv[1]"
        case 'audit-log list' 'admin audit-log list'
          set -g __nexctl_V 3
      end
    case '--actor'
      switch "$argv[1]"
        case 'audit-log list' 'admin audit-log list'
          set -g __nexctl_V 3
      end
    case '--url'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--key-env'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--serves'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--priority'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--timeout-seconds'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--option'
      switch "$argv[1]"
        case 'admin providers add' 'admin providers set'
          set -g __nexctl_V 3
      end
    case '--parent'
      switch "$argv[1]"
        case 'keys create' 'keys list'
          set -g __nexctl_V 9
      end
    case '--fail-over'
      switch "$argv[1]"
        case 'diff'
          set -g __nexctl_V 3
      end
    case '--tokenizer'
      switch "$argv[1]"
        case 'tokenize'
          set -g __nexctl_V 3
      end
    case '--tag'
      switch "$argv[1]"
        case 'prices list'
          set -g __nexctl_V 3
      end
    case '--capability'
      switch "$argv[1]"
        case 'prices list'
          set -g __nexctl_V 3
      end
    case '--match'
      switch "$argv[1]"
        case 'prices list'
          set -g __nexctl_V 3
      end
    case '--input'
      switch "$argv[1]"
        case 'prices compare'
          set -g __nexctl_V 3
      end
    case '--requests'
      switch "$argv[1]"
        case 'prices compare'
          set -g __nexctl_V 3
      end
    case '--overlap'
      switch "$argv[1]"
        case 'keys rotate'
          set -g __nexctl_V 3
      end
    case '--check'
      switch "$argv[1]"
        case 'keys rotate'
          set -g __nexctl_V 3
      end
    case '--finish'
      switch "$argv[1]"
        case 'keys rotate'
          set -g __nexctl_V 3
      end
    case '--older-than'
      switch "$argv[1]"
        case 'keys revoke'
          set -g __nexctl_V 3
      end
    case '--min-days'
      switch "$argv[1]"
        case 'wallet runway'
          set -g __nexctl_V 3
      end
    case '--history'
      switch "$argv[1]"
        case 'wallet runway'
          set -g __nexctl_V 3
      end
    case '--target'
      switch "$argv[1]"
        case 'wallet auto-topup set'
          set -g __nexctl_V 3
      end
    case '--monthly-budget'
      switch "$argv[1]"
        case 'wallet auto-topup set'
          set -g __nexctl_V 3
      end
    case '--country'
      switch "$argv[1]"
        case 'billing-profile set'
          set -g __nexctl_V 3
      end
    case '--tax-id'
      switch "$argv[1]"
        case 'billing-profile set'
          set -g __nexctl_V 3
      end
    case '--address'
      switch "$argv[1]"
        case 'billing-profile set'
          set -g __nexctl_V 3
      end
    case '--purchase-order'
      switch "$argv[1]"
        case 'billing-profile set'
          set -g __nexctl_V 3
      end
    case '--timezone'
      switch "$argv[1]"
        case 'usage export'
          set -g __nexctl_V 3
      end
    case '--interval'
      switch "$argv[1]"
        case 'usage tail'
          set -g __nexctl_V 3
      end
    case '--batch'
      switch "$argv[1]"
        case 'usage audit'
          set -g __nexctl_V 3
      end
    case '--id-column'
      switch "$argv[1]"
        case 'batch make'
          set -g __nexctl_V 3
      end
    case '--for'
      switch "$argv[1]"
        case 'batch check'
          set -g __nexctl_V 3
      end
    case '--meter'
      switch "$argv[1]"
        case 'budgets set'
          set -g __nexctl_V 3
      end
    case '--alert-at'
      switch "$argv[1]"
        case 'budgets set'
          set -g __nexctl_V 3
      end
    case '--member-budget'
      switch "$argv[1]"
        case 'orgs policy'
          set -g __nexctl_V 3
      end
    case '--project-budget'
      switch "$argv[1]"
        case 'orgs policy'
          set -g __nexctl_V 3
      end
    case '--percent'
      switch "$argv[1]"
        case 'alerts set'
          set -g __nexctl_V 3
      end
    case '--min-input'
      switch "$argv[1]"
        case 'routes set'
          set -g __nexctl_V 3
      end
    case '--max-input'
      switch "$argv[1]"
        case 'routes set'
          set -g __nexctl_V 3
      end
    case '--database'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--stripe-url'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--stripe-key-env'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--stripe-secret-env'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--upstream'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--upstream-key-env'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 3
      end
    case '--host'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 3
      end
    case '--port'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 3
      end
    case '--behind-proxy'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 3
      end
    case '--allowed-host'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 3
      end
    case '--max-calls'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 3
      end
    case '--external-id'
      switch "$argv[1]"
        case 'admin customers create'
          set -g __nexctl_V 3
      end
    case '--deny-provider'
      switch "$argv[1]"
        case 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--concurrency'
      switch "$argv[1]"
        case 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--quota'
      switch "$argv[1]"
        case 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--discount'
      switch "$argv[1]"
        case 'admin customers policy'
          set -g __nexctl_V 3
      end
    case '--sla'
      switch "$argv[1]"
        case 'admin customers contract'
          set -g __nexctl_V 3
      end
    case '--capacity'
      switch "$argv[1]"
        case 'admin customers contract'
          set -g __nexctl_V 3
      end
    case '--endpoint'
      switch "$argv[1]"
        case 'admin webhooks deliveries'
          set -g __nexctl_V 3
      end
    case '--alias'
      switch "$argv[1]"
        case 'admin models set'
          set -g __nexctl_V 3
      end
    case '--markup'
      switch "$argv[1]"
        case 'admin prices draft'
          set -g __nexctl_V 3
      end
    case '--places'
      switch "$argv[1]"
        case 'admin prices draft'
          set -g __nexctl_V 3
      end
    case '--credit-rate'
      switch "$argv[1]"
        case 'admin prices draft'
          set -g __nexctl_V 3
      end
    case '--uses'
      switch "$argv[1]"
        case 'admin codes create'
          set -g __nexctl_V 3
      end
    case '--count'
      switch "$argv[1]"
        case 'admin codes create'
          set -g __nexctl_V 3
      end
    case '--credits-expire'
      switch "$argv[1]"
        case 'admin codes create'
          set -g __nexctl_V 3
      end
    case '--base-url'
      switch "$argv[1]"
        case 'profile add'
          set -g __nexctl_V 3
      end
    case '--entries'
      switch "$argv[1]"
        case 'statement'
          set -g __nexctl_V 4
      end
    case '--statement'
      switch "$argv[1]"
        case 'usage audit'
          set -g __nexctl_V 4
      end
    case '--prompts'
      switch "$argv[1]"
        case 'usage calibrate'
          set -g __nexctl_V 4
      end
    case '--template'
      switch "$argv[1]"
        case 'batch make'
          set -g __nexctl_V 4
      end
    case '--rows'
      switch "$argv[1]"
        case 'batch make'
          set -g __nexctl_V 4
      end
    case '--tls-cert'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 4
      end
    case '--tls-key'
      switch "$argv[1]"
        case 'gateway serve'
          set -g __nexctl_V 4
      end
    case '--anchors'
      switch "$argv[1]"
        case 'gateway verify'
          set -g __nexctl_V 4
      end
    case '--write-anchors'
      switch "$argv[1]"
        case 'gateway verify'
          set -g __nexctl_V 4
      end
    case '--toml'
      switch "$argv[1]"
        case 'admin providers cost'
          set -g __nexctl_V 4
      end
    case '--prices'
      switch "$argv[1]"
        case 'admin margin'
          set -g __nexctl_V 4
      end
    case '--sort'
      switch "$argv[1]"
        case 'prices list'
          set -g __nexctl_V 8
      end
    case '--format'
      switch "$argv[1]"
        case 'usage export'
          set -g __nexctl_V 14
      end
    case '--csv-style'
      switch "$argv[1]"
        case 'usage export'
          set -g __nexctl_V 15
      end
    case '--against'
      switch "$argv[1]"
        case 'usage audit'
          set -g __nexctl_V 17
      end
    case '--for-model'
      switch "$argv[1]"
        case 'routes set'
          set -g __nexctl_V 1
      end
    case '--remove'
      switch "$argv[1]"
        case 'admin prices draft'
          set -g __nexctl_V 1
      end
    case '--payments'
      switch "$argv[1]"
        case 'gateway init'
          set -g __nexctl_V 22
      end
    case '--clear'
      switch "$argv[1]"
        case 'admin customers policy'
          set -g __nexctl_V 24
      end
    case '--driver'
      switch "$argv[1]"
        case 'profile add'
          set -g __nexctl_V 32
      end
  end
end

function __nexctl_cached
  set -l folder $HOME/.cache/nexctl
  test -d $HOME/Library/Caches; and set folder $HOME/Library/Caches/nexctl
  string match -q '/*' -- "$XDG_CACHE_HOME"; and set folder $XDG_CACHE_HOME/nexctl
  test -n "$NEXCTL_CONFIG_DIR"; and set folder $NEXCTL_CONFIG_DIR/cache
  set folder $folder/complete/$argv[1]
  test -r $folder; or return 0
  # One search of the whole file: a loop over its lines costs 14 us a name.
  if test -z "$argv[2]"
    string match -r '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$' < $folder
  else
    string replace -fr -- '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$' $argv[2]'$0' < $folder
  end
  return 0
end

# Offers the values of number $argv[1] for the word $argv[2], each with $argv[3] before it.
function __nexctl_offer
  __nexctl_values "$argv[1] $argv[2]"
  set -l kinds $__nexctl_K
  set -l files $__nexctl_F
  # Models are many: one search finds those that begin so. A command substitution costs as much as
  # the search, so there is none where there need not be.
  if test -n "$__nexctl_W"
    set -l begun $argv[2]
    string match -qr '^[A-Za-z0-9._:/@-]*$' -- "$begun"
    or set begun (string escape --style=regex -- "$begun")
    if test -z "$argv[3]"
      string match -r -a -- "(?<= )$begun\S*" " $__nexctl_W"
    else
      set -l words (string match -r -a -- "(?<= )$begun\S*" " $__nexctl_W")
      set -q words[1]; and printf '%s\n' $argv[3]$words
    end
  end
  for kind in $kinds
    __nexctl_cached $kind $argv[3]
  end
  switch "$files"
    case files
      printf '%s\n' $argv[3](__fish_complete_path $argv[2])
    case folders
      printf '%s\n' $argv[3](__fish_complete_directories $argv[2] '')
  end
end

function __nexctl_complete
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  set -e words[1]
  set -l path ''
  set -l expect ''
  set -l ended ''
  set -l placed
  for word in $words
    if test -n "$expect"
      set expect ''
      continue
    end
    if test -z "$ended"
      switch $word
        case --
          set ended 1
          continue
        case '--*=*'
          continue
        case '--*'
          __nexctl_takes "$path" $word
          set expect "$__nexctl_V"
          continue
        case '-?*'
          set -l letters (string split '' -- (string sub -s 2 -- $word))
          while set -q letters[1]
            __nexctl_takes "$path" -$letters[1]
            set -e letters[1]
            if test -n "$__nexctl_V"
              set -q letters[1]; or set expect $__nexctl_V
              break
            end
          end
          continue
      end
    end
    __nexctl_commands "$path"
    if not set -q __nexctl_R[1]
      set -a placed $word
      continue
    end
    __nexctl_alias "$path $word"
    test -n "$__nexctl_N"; and set word $__nexctl_N
    contains -- $word $__nexctl_R; or return
    if test -n "$path"
      set path "$path $word"
    else
      set path $word
    end
    set ended ''
  end
  if test -n "$expect"
    __nexctl_offer $expect "$cur" ''
  else if test -z "$ended"; and string match -q -- '--*=*' "$cur"
    set -l halves (string split -m 1 = -- $cur)
    __nexctl_takes "$path" $halves[1]
    test -n "$__nexctl_V"; and __nexctl_offer $__nexctl_V "$halves[2]" "$halves[1]="
  else if test -z "$ended"; and string match -q -- '-*' "$cur"
    __nexctl_options "$path"
    printf '%s\n' $__nexctl_R
  else
    __nexctl_commands "$path"
    if set -q __nexctl_R[1]
      printf '%s\n' $__nexctl_R
    else
      __nexctl_arguments "$path"
      set -l last ''
      set -l number ''
      for candidate in $__nexctl_A
        if test $candidate = +
          set number $last
          break
        end
        set last $candidate
        if not set -q placed[1]
          set number $candidate
          break
        end
        set -e placed[1]
      end
      test -n "$number"; and __nexctl_offer $number "$cur" ''
    end
  end
end

complete -c nexctl -f -a '(__nexctl_complete)'
