# Writes statistics_proc.json: DeLong's paired test by R's pROC (Robin et al. 2011) on plain and on tied scores.
# Rscript tests/golden/statistics_proc.R > tests/golden/statistics_proc.json
suppressMessages(library(pROC))

case <- function(labels, first, second) {
  a <- roc(labels, first, levels = c(0, 1), direction = "<", quiet = TRUE)
  b <- roc(labels, second, levels = c(0, 1), direction = "<", quiet = TRUE)
  test <- roc.test(a, b, method = "delong", paired = TRUE)
  list(
    labels = labels, first = first, second = second, aucs = c(auc(a), auc(b)),
    variances = c(var(a, method = "delong"), var(b, method = "delong")),
    z = unname(test$statistic), p = test$p.value
  )
}

as_json <- function(case) {
  numbers <- sapply(case, function(x) paste0("[", paste(signif(x, 16), collapse = ", "), "]"))
  paste0('{"', paste(names(case), numbers, sep = '": ', collapse = ',\n"'), "}")
}

options(digits = 16)
set.seed(1)
labels <- rep(0:1, c(40, 25))
plain <- case(labels, round(rnorm(65) + labels, 6), round(rnorm(65) + 0.5 * labels, 6))
tied <- case(labels, round(rnorm(65) + labels, 1), round(rnorm(65) + 0.5 * labels, 1))
cat(sprintf('{"source": "pROC %s",\n"plain": %s,\n"tied": %s}\n', packageVersion("pROC"), as_json(plain), as_json(tied)))
